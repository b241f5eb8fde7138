//! Text without known markup: prose, and program text, configuration and data.

use std::collections::BTreeMap;

use crate::text::encoding::{self, Decoded};
use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, title};

/// Prose: paragraphs between blank lines.
pub(crate) const PLAIN: Plain = Plain { id: "plain@1", media_type: MediaType::Plain };

/// Program text, configuration, data, and markup other than Markdown.
pub(crate) const SOURCE: Plain = Plain { id: "source@1", media_type: MediaType::Source };

/// Decodes, and uses the file's name as title.
pub(crate) struct Plain {
    id: &'static str,
    media_type: MediaType,
}

impl Extractor for Plain {
    fn id(&self) -> &'static str {
        self.id
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        Ok(Extracted {
            title: title::from_name(uri),
            media_type: self.media_type,
            text,
            encoding,
            metadata: BTreeMap::new(),
            lines: LineMap::OfFile,
        })
    }
}
