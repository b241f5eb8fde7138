//! The steps of a random history, as plain data, and how they are generated.

use kbingest::support::checkpoint::Checkpoint;
use proptest::prelude::*;
use proptest::sample::select;

/// URIs; some sort differently as paths and as texts.
pub const FILES: [&str; 9] = [
    "a.md",
    "b.txt",
    "c.rs",
    "sub-x.md",
    "sub.md",
    "sub/d.md",
    "sub/deep/e.txt",
    "sub/f.md",
    "z.md",
];

/// Index in [`FILES`].
pub type File = usize;
/// Seed for the words of a text.
pub type Seed = u64;

/// A change to the files, the settings or the knowledge base.
#[derive(Clone, Debug)]
pub enum Step {
    Run(Run),
    /// The mtime stays if the flag is set, and the size changes.
    Write(File, Seed, Size, bool),
    Append(File, Seed),
    /// Another word of the same length.
    Edit(File, Seed),
    Touch(File),
    Delete(File),
    Rename(File, File),
    /// By renaming, which keeps mtimes, or by writing.
    Swap(File, File, bool),
    Spoil(File, Spoil),
    /// Restores every spoilt file.
    Heal,
    WriteMany(Seed),
    DeleteMany,
    /// `max_tokens` and `overlap_tokens`.
    SetChunks(usize, usize),
    /// Components of a vector.
    SetModel(usize),
    /// Excludes some files, or includes them again.
    SetExclude(bool),
    Repair,
}

#[derive(Clone, Copy, Debug)]
pub enum Size {
    Empty,
    Blank,
    Small,
    Medium,
    /// More chunks than one queue row.
    Large,
}

#[derive(Clone, Copy, Debug)]
pub enum Spoil {
    Binary,
    TooLarge,
    /// UTF-16 in name only: a permanent failure.
    Broken,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub start: Start,
    pub allow_deletes: bool,
    pub retry_failed: bool,
    /// What happens at which visit, from 1, of which checkpoint, or of any.
    pub fault: Option<(Fault, Option<Checkpoint>, u64)>,
    /// The first checkpoint is held until the second is reached, so that one thread overtakes the
    /// other.
    pub lag: Option<(Checkpoint, Checkpoint)>,
}

#[derive(Clone, Copy, Debug)]
pub enum Start {
    Ingest,
    Restart,
    Resume,
    /// Without its kb.toml.
    ResumeFile,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Stop,
    /// An internal error.
    Panic,
    /// From another connection, like `cancel`.
    Cancel,
    Kill,
}

/// The consumer waits for the producer, or the other way round.
const LAGS: [(Checkpoint, Checkpoint); 4] = [
    (Checkpoint::BeforeCommit, Checkpoint::AfterEnqueue),
    (Checkpoint::BeforeClaim, Checkpoint::AfterEnqueue),
    (Checkpoint::AfterSave, Checkpoint::BeforeCommit),
    (Checkpoint::AfterChunk, Checkpoint::BeforeCommit),
];

/// Generates a step.
pub fn step() -> impl Strategy<Value = Step> {
    let file = || 0..FILES.len();
    let seed = || 0..6_u64;
    let size = prop_oneof![
        1 => Just(Size::Empty),
        1 => Just(Size::Blank),
        5 => Just(Size::Small),
        3 => Just(Size::Medium),
        1 => Just(Size::Large),
    ];
    let write = (file(), seed(), size, any::<bool>());
    let swap = (file(), file(), any::<bool>());
    let spoil = (file(), select(vec![Spoil::Binary, Spoil::TooLarge, Spoil::Broken]));
    let chunks = (select(vec![32, 48]), select(vec![0, 8]));
    prop_oneof![
        30 => run().prop_map(Step::Run),
        16 => write.prop_map(|(file, seed, size, keeps)| Step::Write(file, seed, size, keeps)),
        3 => (file(), seed()).prop_map(|(file, seed)| Step::Append(file, seed)),
        4 => (file(), seed()).prop_map(|(file, seed)| Step::Edit(file, seed)),
        2 => file().prop_map(Step::Touch),
        4 => file().prop_map(Step::Delete),
        3 => (file(), file()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => swap.prop_map(|(file, other, keeps)| Step::Swap(file, other, keeps)),
        4 => spoil.prop_map(|(file, how)| Step::Spoil(file, how)),
        4 => Just(Step::Heal),
        1 => seed().prop_map(Step::WriteMany),
        1 => Just(Step::DeleteMany),
        4 => chunks.prop_map(|(max, overlap)| Step::SetChunks(max, overlap)),
        4 => select(vec![16, 32]).prop_map(Step::SetModel),
        2 => any::<bool>().prop_map(Step::SetExclude),
        2 => Just(Step::Repair),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let start = prop_oneof![
        12 => Just(Start::Ingest),
        2 => Just(Start::Restart),
        3 => Just(Start::Resume),
        1 => Just(Start::ResumeFile),
    ];
    let fault = prop_oneof![
        8 => Just(Fault::Stop),
        6 => Just(Fault::Kill),
        4 => Just(Fault::Panic),
        1 => Just(Fault::Cancel),
    ];
    let place = prop_oneof![
        1 => (Just(None), 1..20_u64),
        4 => (select(Checkpoint::ALL.to_vec()).prop_map(Some), 1..4_u64),
    ];
    let fault = prop::option::weighted(0.6, (fault, place));
    let fault = fault.prop_map(|fault| fault.map(|(fault, (at, visit))| (fault, at, visit)));
    let options = (prop::bool::weighted(0.3), prop::bool::weighted(0.1));
    let lag = prop::option::weighted(0.3, select(LAGS.to_vec()));
    (start, options, fault, lag).prop_map(|(start, (allow_deletes, retry_failed), fault, lag)| {
        Run { start, allow_deletes, retry_failed, fault, lag }
    })
}
