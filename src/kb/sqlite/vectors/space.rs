//! Blocks of vectors in their table: stores, reads and removes vectors by chunk id.

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::StoredVector;
use super::block::{Block, Entry, entries, width};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::sqlite::convert::{checksum, size_from_sql, size_to_sql, within};

/// Bits of a block's id below those of its space.
const BLOCK_BITS: u32 = 40;

/// Upper bound of the ids of spaces: together with a block's they fill an integer.
const SPACE_END: i64 = 1 << (63 - BLOCK_BITS);
/// Upper bound of the components of a vector: products are summed up in 32 bits.
const DIM_END: i64 = 100_001;
/// Upper bound of the chunk ids that share a block, which its slots can distinguish.
const WIDTH_END: i64 = 128;

/// Vectors that can be compared with one another: all vectors of one embedder.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    id: i64,
    /// Components of a vector.
    pub dim: usize,
    width: i64,
}

impl Space {
    /// Returns the space of the embedder `embed_fp`, if vectors of it were ever stored.
    pub fn of(tx: &Transaction<'_>, embed_fp: &str) -> Result<Option<Self>, KbError> {
        let mut statement =
            tx.prepare_cached("SELECT id, dim, width FROM vector_space WHERE embed_fp = ?1")?;
        Ok(statement.query_row([embed_fp], Self::from_row).optional()?)
    }

    /// Returns the space of `embed_fp` for vectors of `dim` components, creating it if necessary.
    fn make(tx: &Transaction<'_>, embed_fp: &str, dim: usize) -> Result<Self, KbError> {
        if let Some(space) = Self::of(tx, embed_fp)? {
            // The fingerprint of an embedder includes its dimension.
            return match space.dim == dim {
                true => Ok(space),
                false => Err(KbError::Damaged(format!("vectors of {embed_fp} differ in length"))),
            };
        }
        let mut statement = tx.prepare_cached(
            "INSERT INTO vector_space (embed_fp, dim, width) VALUES (?1, ?2, ?3)
             RETURNING id, dim, width",
        )?;
        let row = params![embed_fp, size_to_sql(dim), size_to_sql(width(dim))];
        Ok(statement.query_row(row, Self::from_row)?)
    }

    /// Returns every space.
    pub fn all(tx: &Transaction<'_>) -> Result<Vec<Self>, KbError> {
        let mut statement = tx.prepare_cached("SELECT id, dim, width FROM vector_space")?;
        let spaces = statement.query_map([], Self::from_row)?;
        Ok(spaces.collect::<Result<_, _>>()?)
    }

    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: within(0, row.get(0)?, 1..SPACE_END)?,
            dim: size_from_sql(within(1, row.get(1)?, 1..DIM_END)?),
            width: within(2, row.get(2)?, 1..WIDTH_END)?,
        })
    }

    /// Returns whether the schema allows such a space: damage may cause any values.
    pub fn is_possible(&self) -> bool {
        (1..=1 << 20).contains(&self.dim)
            && (1..=127).contains(&self.width)
            && (1..1 << 20).contains(&self.id)
    }

    /// Returns the id of the block with the slot of `chunk`.
    pub fn block_of(&self, chunk: i64) -> i64 {
        // An id out of range is mapped to the nearest end: never to another space.
        (self.id << BLOCK_BITS) + (chunk / self.width).clamp(0, (1 << BLOCK_BITS) - 1)
    }

    /// Returns the chunk id before that of slot 1.
    pub fn chunk_before(&self, block: i64) -> i64 {
        (block & ((1 << BLOCK_BITS) - 1)) * self.width - 1
    }

    fn slot_of(&self, chunk: i64) -> u8 {
        u8::try_from(chunk.rem_euclid(self.width) + 1).expect("a width is below 128")
    }

    /// Passes every vector of the chunks `first ..= last` to `each`, ascending.
    pub fn read(
        &self,
        tx: &Transaction<'_>,
        (first, last): (i64, i64),
        mut each: impl FnMut(i64, Entry<'_>),
    ) -> Result<(), KbError> {
        let mut statement = blocks(tx)?;
        let mut rows = statement.query([self.block_of(first), self.block_of(last)])?;
        while let Some(row) = rows.next()? {
            let before = self.chunk_before(row.get(0)?);
            let (slots, bytes) = (row.get_ref(1)?, row.get_ref(2)?);
            let (slots, bytes) =
                (slots.as_blob().unwrap_or_default(), bytes.as_blob().unwrap_or_default());
            for (slot, entry) in entries(slots, bytes, self.dim) {
                let chunk = before + i64::from(slot);
                if (first..=last).contains(&chunk) {
                    each(chunk, entry);
                }
            }
        }
        Ok(())
    }

    fn remove(&self, tx: &Transaction<'_>, ranges: &[(i64, i64)]) -> Result<(), KbError> {
        let mut current: Option<(i64, Block)> = None;
        for &(first, last) in ranges {
            for id in block_ids(tx, self.block_of(first), self.block_of(last))? {
                let before = self.chunk_before(id);
                let (start, end) = (first.max(before + 1), last.min(before + self.width));
                if start > end {
                    continue;
                }
                let mut block = match current.take() {
                    Some((other, block)) if other == id => block,
                    done => {
                        write(tx, done)?;
                        self.block(tx, id)?
                    }
                };
                block.remove(self.slot_of(start)..=self.slot_of(end), self.dim);
                current = Some((id, block));
            }
        }
        write(tx, current)
    }

    /// Returns all chunk ids that have a slot in it.
    pub fn places(&self) -> (i64, i64) {
        (0, (self.width << BLOCK_BITS) - 1)
    }

    fn block(&self, tx: &Transaction<'_>, id: i64) -> Result<Block, KbError> {
        let mut statement = blocks(tx)?;
        let block = statement
            .query_row([id, id], |row| Ok(Block { slots: row.get(1)?, entries: row.get(2)? }));
        // Inconsistent slots are dropped: the vectors are then missing, which `check` finds.
        let block = block.optional()?.filter(|block| {
            entries(&block.slots, &block.entries, self.dim).count() == block.slots.len()
        });
        Ok(block.unwrap_or_default())
    }
}

/// Returns the ids of the existing blocks of `first ..= last`: a range may cover far more.
fn block_ids(tx: &Transaction<'_>, first: i64, last: i64) -> Result<Vec<i64>, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT id FROM vector_block WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let ids = statement.query_map([first, last], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Rows of the blocks `?1 ..= ?2`.
pub fn blocks<'a>(tx: &'a Transaction<'_>) -> Result<CachedStatement<'a>, KbError> {
    Ok(tx.prepare_cached(
        "SELECT id, slots, entries FROM vector_block WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?)
}

/// Stores vectors of `embed_fp`, ascending by chunk.
pub fn insert(
    tx: &Transaction<'_>,
    embed_fp: &str,
    vectors: &[(ChunkId, &StoredVector)],
) -> Result<(), KbError> {
    let Some((_, vector)) = vectors.first() else { return Ok(()) };
    let space = Space::make(tx, embed_fp, vector.embedding.len())?;
    for neighbours in vectors.chunk_by(|a, b| space.block_of(a.0.0) == space.block_of(b.0.0)) {
        let id = space.block_of(neighbours[0].0.0);
        let mut block = space.block(tx, id)?;
        for (chunk, vector) in neighbours {
            if !block.insert(space.slot_of(chunk.0), chunk.0, vector) {
                return Err(KbError::Damaged(format!("chunk {} has a vector already", chunk.0)));
            }
        }
        write(tx, Some((id, block)))?;
    }
    Ok(())
}

/// Removes the vectors of all chunks in `ranges`, both ends included, which are sorted.
pub fn remove(tx: &Transaction<'_>, ranges: &[(i64, i64)]) -> Result<(), KbError> {
    Space::all(tx)?.iter().try_for_each(|space| space.remove(tx, ranges))
}

fn write(tx: &Transaction<'_>, block: Option<(i64, Block)>) -> Result<(), KbError> {
    let Some((id, block)) = block else { return Ok(()) };
    if block.slots.is_empty() {
        tx.prepare_cached("DELETE FROM vector_block WHERE id = ?1")?.execute([id])?;
    } else {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO vector_block (id, slots, entries) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![id, block.slots, block.entries])?;
    }
    Ok(())
}

/// Packs the vectors of format 1, one row each, into blocks.
pub fn pack_rows(tx: &Transaction<'_>) -> Result<(), KbError> {
    let mut embedders =
        tx.prepare("SELECT DISTINCT embed_fp FROM revision WHERE chunk_stored > 0")?;
    let embedders = embedders.query_map([], |row| row.get(0))?;
    for embed_fp in embedders.collect::<Result<Vec<String>, _>>()? {
        let mut statement = tx.prepare(
            "SELECT first_chunk, first_chunk + chunk_total - 1 FROM revision
             WHERE embed_fp = ?1 AND chunk_stored > 0 ORDER BY first_chunk",
        )?;
        let ranges = statement.query_map([&embed_fp], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut vectors = tx.prepare(
            "SELECT chunk_id, scale, embedding, checksum FROM vector_row
             WHERE chunk_id BETWEEN ?1 AND ?2 ORDER BY chunk_id",
        )?;
        for range in ranges.collect::<Result<Vec<(i64, i64)>, _>>()? {
            let vectors = vectors.query_map(range, |row| {
                let vector = StoredVector { scale: row.get(1)?, embedding: row.get(2)? };
                let checksum: i64 = row.get(3)?;
                Ok((ChunkId(row.get(0)?), vector, checksum))
            })?;
            let vectors = vectors.collect::<Result<Vec<_>, _>>()?;
            // A damaged one is left out, which `check` finds and `--repair` fixes.
            let intact = vectors.iter().filter(|(_, vector, stored)| {
                let mut bytes = f64::from(vector.scale).to_le_bytes().to_vec();
                bytes.extend(&vector.embedding);
                *stored == checksum(&bytes)
            });
            let vectors: Vec<_> = intact.map(|(id, vector, _)| (*id, vector)).collect();
            insert(tx, &embed_fp, &vectors)?;
        }
    }
    tx.execute_batch("DROP TABLE vector_row")?;
    Ok(())
}
