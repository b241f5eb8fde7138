//! Whether a file is a protocol buffer whose parts are complete: a number without an end in a
//! damaged one keeps the reader of ONNX files busy forever.

/// Parts of an ONNX file that contain further parts, by their names in `onnx.proto`.
#[derive(Clone, Copy)]
enum Part {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Fields of plain values.
    Flat,
}

/// Limit on parts within parts: graphs may be in attributes of graphs.
const DEPTH_MAX: usize = 32;
/// A number has at most so many bytes.
const NUMBER_BYTES_MAX: usize = 10;

/// Fails unless `bytes` are an ONNX model whose parts all end where they say.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    check_part(bytes, Part::Model, 0).ok_or_else(|| "is damaged, or not an ONNX model".to_owned())
}

fn check_part(mut bytes: &[u8], part: Part, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    while !bytes.is_empty() {
        let tag = number(&mut bytes)?;
        match tag & 7 {
            0 => drop(number(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            2 => {
                let length = usize::try_from(number(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                match inner(part, tag >> 3) {
                    Some(Inner::Part(part)) => check_part(content, part, depth + 1)?,
                    Some(Inner::Numbers) => {
                        let mut content = content;
                        while !content.is_empty() {
                            number(&mut content)?;
                        }
                    }
                    None => {}
                }
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

/// What is in a field of bytes.
enum Inner {
    Part(Part),
    Numbers,
}

/// Returns what is in the field `number` of `part`; `None`: text or plain bytes.
fn inner(part: Part, number: u64) -> Option<Inner> {
    let part = match (part, number) {
        (Part::Model, 7) | (Part::Attribute, 6 | 11) => Part::Graph,
        (Part::Model, 8 | 14) => Part::Flat,
        (Part::Graph, 1) => Part::Node,
        (Part::Graph, 5) | (Part::Attribute, 5 | 10) => Part::Tensor,
        (Part::Graph, 11..=13) => Part::ValueInfo,
        (Part::Node, 5) => Part::Attribute,
        (Part::Tensor, 13) => Part::Flat,
        (Part::ValueInfo, 2) => Part::Type,
        (Part::Type, 1) => Part::TensorType,
        (Part::TensorType, 2) => Part::Shape,
        (Part::Shape, 1) => Part::Flat,
        (Part::Tensor, 1 | 5 | 7 | 11) | (Part::Attribute, 8) => return Some(Inner::Numbers),
        _ => return None,
    };
    Some(Inner::Part(part))
}

/// Takes a number of variable length from the front of `bytes`.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..NUMBER_BYTES_MAX {
        let byte = *bytes.get(at)?;
        value |= u64::from(byte & 0x7f).checked_shl(at as u32 * 7)?;
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}
