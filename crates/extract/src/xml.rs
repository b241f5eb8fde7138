//! Reads XML as a stream of simple events: local names, resolved text, a limit on depth.

use std::cell::OnceCell;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Limit on nested elements.
const DEPTH_MAX: usize = 512;

/// The next event.
pub(crate) enum Part<'a> {
    /// An element begins.
    Start(Element<'a>),
    /// An element ends; its name without a prefix.
    End(&'a str),
    /// Text, entities resolved.
    Text(&'a str),
}

/// A start tag.
pub(crate) struct Element<'a> {
    /// Name without its prefix.
    pub(crate) name: String,
    start: &'a BytesStart<'a>,
    /// Read when first needed: most elements' attributes are not.
    attributes: OnceCell<Vec<(String, String)>>,
}

impl<'a> Element<'a> {
    /// Returns an attribute by its name without a prefix.
    pub(crate) fn attribute(&self, wanted: &str) -> Option<&str> {
        self.attributes().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Returns the attributes in their order, by names without a prefix.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let attributes = self.attributes.get_or_init(|| {
            let mut read = self.start.attributes();
            let attributes = read.with_checks(false).flatten().map(|attribute| {
                let value = attribute.value.to_string();
                let value = quick_xml::escape::unescape(&value).map(String::from).unwrap_or(value);
                (local(attribute.key.as_ref()).to_owned(), value)
            });
            attributes.collect()
        });
        attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn of(start: &'a BytesStart<'a>) -> Self {
        let name = local(start.name().as_ref()).to_owned();
        Self { name, start, attributes: OnceCell::new() }
    }
}

/// Calls `each` for every part until it returns false; the error says where the text is not XML.
pub(crate) fn read(text: &str, mut each: impl FnMut(Part<'_>) -> bool) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut depth = 0_usize;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("at byte {}: {error}", reader.error_position()))?;
        let goes_on = match event {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("more than {DEPTH_MAX} elements inside each other"));
                }
                each(Part::Start(Element::of(&start)))
            }
            Event::Empty(start) => {
                each(Part::Start(Element::of(&start)))
                    && each(Part::End(local(start.name().as_ref())))
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                each(Part::End(local(end.name().as_ref())))
            }
            Event::Text(text) => each(Part::Text(&text)),
            Event::CData(text) => each(Part::Text(&text)),
            Event::GeneralRef(name) => {
                let entity = format!("&{};", &*name);
                let text = quick_xml::escape::unescape(&entity);
                each(Part::Text(text.as_deref().unwrap_or(&entity)))
            }
            Event::Eof => return Ok(()),
            _ => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}
