//! Reading XML as a stream of simple events: local names, resolved text, a limit on depth.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements inside each other at most.
const DEPTH_MAX: usize = 512;

/// What comes next.
pub(super) enum Part {
    /// An element begins; its name without a prefix.
    Start(Element),
    /// An element ends.
    End(String),
    /// Text, entities resolved.
    Text(String),
}

/// A start tag.
pub(super) struct Element {
    /// Name without its prefix.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// Returns an attribute by its name without a prefix.
    pub(super) fn attribute(&self, wanted: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// Returns the attributes in their order, by names without a prefix.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn of(start: &BytesStart<'_>) -> Self {
        let mut read = start.attributes();
        let attributes = read.with_checks(false).flatten().map(|attribute| {
            let value = attribute.value.to_string();
            let value = quick_xml::escape::unescape(&value).map(String::from).unwrap_or(value);
            (local(attribute.key.as_ref()), value)
        });
        Self { name: local(start.name().as_ref()), attributes: attributes.collect() }
    }
}

/// Calls `each` for every part until it returns false; the error says where the text is not XML.
pub(super) fn read(text: &str, mut each: impl FnMut(Part) -> bool) -> Result<(), String> {
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
                let element = Element::of(&start);
                let name = element.name.clone();
                each(Part::Start(element)) && each(Part::End(name))
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                each(Part::End(local(end.name().as_ref())))
            }
            Event::Text(text) => each(Part::Text(text.to_string())),
            Event::CData(text) => each(Part::Text(text.to_string())),
            Event::GeneralRef(name) => {
                let entity = format!("&{};", &*name);
                let text = quick_xml::escape::unescape(&entity).map(String::from);
                each(Part::Text(text.unwrap_or(entity)))
            }
            Event::Eof => return Ok(()),
            _ => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}
