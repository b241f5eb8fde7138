//! The binary under `shim.c`: which call fails, how the process ended, the number of calls.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the compiled shim.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder).unwrap();
        // Another process may run these tests too: nobody loads a half-written file.
        let made = folder.join(format!("shim-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
        let options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"];
        let status = Command::new("cc").args(options).arg(&made).arg(source).status();
        assert!(status.expect("these tests need a C compiler, `cc`").success());
        let library = folder.join("shim.so");
        fs::rename(made, &library).unwrap();
        library
    })
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before the call.
    Kill,
    /// The process is killed half way through the call.
    Torn,
    /// SQLite's shared memory has no page behind it: SIGBUS.
    Bus,
    /// The disk is full.
    Enospc,
    /// The quota is used up.
    Edquot,
    /// The disk fails.
    Eio,
    /// Too many files are open.
    Emfile,
    /// The file system is read-only.
    Erofs,
    /// The disk fails to read.
    ReadEio,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Torn,
        Self::Bus,
        Self::Enospc,
        Self::Edquot,
        Self::Eio,
        Self::Emfile,
        Self::Erofs,
        Self::ReadEio,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Torn => "torn",
            Self::Bus => "bus",
            Self::Enospc => "enospc",
            Self::Edquot => "edquot",
            Self::Eio => "eio",
            Self::Emfile => "emfile",
            Self::Erofs => "erofs",
            Self::ReadEio => "read_eio",
        }
    }

    /// Returns whether the process dies of it.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Kill | Self::Torn | Self::Bus)
    }
}

/// The number of calls of each kind in a run.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub changes: u64,
    pub opens: u64,
    pub reads: u64,
}

impl Counts {
    /// Returns how many calls `fault` can hit.
    pub fn of(&self, fault: Fault) -> u64 {
        match fault {
            Fault::Emfile | Fault::Erofs => self.opens,
            Fault::ReadEio => self.reads,
            _ => self.changes,
        }
    }
}

/// Which call fails.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub fault: Fault,
    /// Number of the call, from 0, among those that the fault can hit.
    pub at: u64,
    /// All later ones also fail.
    pub for_good: bool,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: String,
    /// The call that failed first and its file, if one did.
    pub fired: Option<String>,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

/// Runs `kbingest <command> <toml> --threads 1`, whose knowledge base is `kb`, undisturbed.
pub fn run(command: &str, toml: &Path, kb: &Path) -> Ended {
    start(kbingest(command, toml), kb)
}

/// Runs it with a fault.
pub fn run_with(plan: Plan, command: &str, toml: &Path, kb: &Path) -> Ended {
    let mut kbingest = kbingest(command, toml);
    let fired = beside(kb, "fired");
    let _ = fs::remove_file(&fired);
    under_shim(&mut kbingest, kb).env("KBFAULT_MODE", plan.fault.name());
    kbingest.env("KBFAULT_AT", plan.at.to_string()).env("KBFAULT_FIRED", &fired);
    if plan.for_good {
        kbingest.env("KBFAULT_FOR_GOOD", "1");
    }
    start(kbingest, kb)
}

/// Runs it undisturbed, to success; returns its calls, which are also written to `log` if it is
/// given.
pub fn record(command: &str, toml: &Path, kb: &Path, log: Option<&Path>) -> Counts {
    let mut kbingest = kbingest(command, toml);
    let counts = beside(kb, "counts");
    under_shim(&mut kbingest, kb).env("KBFAULT_COUNTS", &counts);
    if let Some(log) = log {
        let _ = fs::remove_file(log);
        kbingest.env("KBFAULT_LOG", log);
    }
    let ended = start(kbingest, kb);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let counts = fs::read_to_string(counts).unwrap();
    let mut counts = counts.split(' ').map(|count| count.parse().unwrap());
    let mut next = || counts.next().unwrap();
    Counts { changes: next(), opens: next(), reads: next() }
}

pub fn kbingest(command: &str, toml: &Path) -> Command {
    let mut kbingest = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    kbingest.arg(command).arg(toml).args(["--threads", "1"]);
    kbingest
}

fn under_shim<'a>(command: &'a mut Command, kb: &Path) -> &'a mut Command {
    command.env("LD_PRELOAD", library()).env("KBFAULT_PREFIX", kb)
}

/// Runs `command` to its end; its knowledge base is `kb`.
pub fn start(mut command: Command, kb: &Path) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env("XDG_CACHE_HOME", kb.with_file_name(".cache"));
    let mut child = command.spawn().unwrap();
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut stderr = String::new();
    // Its output fits into the pipe, so it ended without a reader.
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended { status, stderr, fired: fs::read_to_string(beside(kb, "fired")).ok() }
}

/// Returns a file in the folder of `kb` that does not belong to it.
fn beside(kb: &Path, name: &str) -> PathBuf {
    kb.with_file_name(name)
}

/// Returns the number of samples that `KBINGEST_FAULTS` requests; `None` is all.
pub fn samples(default: u64) -> Option<u64> {
    match std::env::var("KBINGEST_FAULTS").as_deref() {
        Ok("all") => None,
        Ok(number) => Some(number.parse().expect("KBINGEST_FAULTS is a number or `all`")),
        Err(_) => Some(default),
    }
}

/// Returns up to `samples` numbers below `count`, evenly spread; `shift` moves them so that
/// neighbouring sweeps use different ones.
pub fn spread(count: u64, samples: Option<u64>, shift: u64) -> Vec<u64> {
    let Some(samples) = samples.filter(|samples| *samples < count) else {
        return (0..count).collect();
    };
    (0..samples).map(|index| (index * count / samples + shift) % count).collect()
}
