//! The pieces of a WordPiece vocabulary, found by their bytes.
//!
//! Built by every process that embeds, in about one millisecond; each lookup hashes a prefix of a
//! word that was not in the cache of words.

/// An open-addressed table of pieces, a quarter to a half full.
pub(super) struct Vocabulary {
    text: &'static str,
    pieces: Vec<Piece>,
    /// High half of the hash and id + 1; 0 if free.
    table: Vec<u32>,
    /// Lengths in bytes of the pieces by their first two bytes, at the start of a word and inside:
    /// bit `n` is set if one is `n` bytes long. A lookup in the table is expensive, and most
    /// lengths have no piece.
    lengths: [Vec<u32>; 2],
}

/// Position of the bytes of a piece in the text of the vocabulary, without `##`.
struct Piece {
    start: u32,
    length: u16,
    /// Spelled with `##`.
    inside: bool,
}

impl Vocabulary {
    /// Returns the table of `text`, one piece a line, at most 65,534 lines.
    pub(super) fn new(text: &'static str) -> Self {
        let lines = text.lines().count();
        assert!(lines < usize::from(u16::MAX), "ids fit 16 bits");
        let mut vocabulary = Self {
            text,
            pieces: Vec::with_capacity(lines),
            table: vec![0; (4 * lines).next_power_of_two()],
            lengths: [vec![0; STARTS], vec![0; STARTS]],
        };
        let mut start = 0;
        for line in text.lines() {
            let piece = line.strip_prefix("##").filter(|rest| !rest.is_empty());
            let length = piece.unwrap_or(line).len();
            vocabulary.insert(Piece {
                start: (start + line.len() - length) as u32,
                length: length as u16,
                inside: piece.is_some(),
            });
            start += line.len() + 1;
        }
        vocabulary
    }

    /// Returns the number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    fn insert(&mut self, piece: Piece) {
        let bytes = self.bytes(&piece);
        let hash = hash(bytes, piece.inside);
        let mut at = self.first_slot(hash);
        while self.table[at] != 0 {
            at = (at + 1) & (self.table.len() - 1);
        }
        assert!(bytes.len() < u32::BITS as usize, "a bit for each length");
        if let [first, second, ..] = bytes {
            self.lengths[usize::from(piece.inside)][start(*first, *second)] |= 1 << bytes.len();
        }
        self.pieces.push(piece);
        self.table[at] = (hash as u32 & 0xFFFF_0000) | self.pieces.len() as u32;
    }

    fn bytes(&self, piece: &Piece) -> &'static [u8] {
        let start = piece.start as usize;
        &self.text.as_bytes()[start..start + usize::from(piece.length)]
    }

    fn first_slot(&self, hash: u64) -> usize {
        (hash >> (64 - self.table.len().ilog2())) as usize
    }

    /// Returns the id of a piece, `inside` a word or at its start.
    pub(super) fn find(&self, bytes: &[u8], inside: bool) -> Option<u16> {
        let hash = hash(bytes, inside);
        let mut at = self.first_slot(hash);
        loop {
            let entry = self.table[at];
            let id = (entry & 0xFFFF).checked_sub(1)?;
            if (entry ^ hash as u32) >> 16 == 0 {
                let piece = &self.pieces[id as usize];
                if piece.inside == inside && self.bytes(piece) == bytes {
                    return Some(id as u16);
                }
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    /// Returns the id and the bytes of the longest piece at the start of `word`.
    pub(super) fn longest(&self, word: &[u8], inside: bool) -> Option<(u16, usize)> {
        let mut lengths = match word {
            [] => return None,
            [_] => 0,
            [first, second, ..] => self.lengths[usize::from(inside)][start(*first, *second)],
        };
        // At most the length of the word; a piece of one byte may always exist.
        lengths &= u32::MAX >> (31 - word.len().min(31));
        lengths |= 1 << 1;
        while lengths != 0 {
            let end = lengths.ilog2() as usize;
            lengths ^= 1 << end;
            let inside_character = word.get(end).is_some_and(|byte| byte & 0xC0 == 0x80);
            if !inside_character && let Some(id) = self.find(&word[..end], inside) {
                return Some((id, end));
            }
        }
        None
    }
}

/// Entries of a table by the first two bytes of a word.
const STARTS: usize = 1 << 12;

/// Returns the entry of two bytes; a few pairs share one.
fn start(first: u8, second: u8) -> usize {
    (usize::from(first) << 4) ^ usize::from(second)
}

/// Returns the hash of a piece; well mixed in its high bits and in bits 16 to 31.
fn hash(piece: &[u8], inside: bool) -> u64 {
    let mut hash = u64::from(inside) ^ 0x2545_F491_4F6C_DD1D;
    for part in piece.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    #[test]
    fn pieces_are_found_by_place_and_length() {
        let vocabulary = Vocabulary::new("[UNK]\nun\n##un\nunable\n##able\né\n##\n###\n#\n");
        let check = |word: &str, inside: bool, expected: Option<(u16, usize)>| {
            assert_eq!(vocabulary.longest(word.as_bytes(), inside), expected, "{word} {inside}");
        };
        check("unable", false, Some((3, 6)));
        check("unabl", false, Some((1, 2)));
        check("unable", true, Some((2, 2)));
        check("able", true, Some((4, 4)));
        check("able", false, None);
        check("éa", false, Some((5, 2)));
        check("è", false, None);
        check("##", false, Some((6, 2)));
        check("#", true, Some((7, 1)));
        check("#", false, Some((8, 1)));
        check("", false, None);
    }
}
