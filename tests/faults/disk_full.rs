//! A really full disk: a limit on file size (anywhere), a small tmpfs and a small ext4 with blocks
//! of 1 KiB (as root, if mounting works; otherwise skipped, with the reason). The run reports it
//! with exit code 40, and `resume` completes it once there is space.
//!
//! On ext4 with small blocks the disk may be full when SQLite writes its shared memory through
//! mmap: that causes SIGBUS, and ends the same way.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use kbingest::config::Config;
use tempfile::TempDir;

use crate::log::{self, Action, Call};
use crate::shim::{self, Ended};
use crate::support::{Place, SETTINGS, assert_sound, dump, ingest, markdown, read_only, remove_kb};

/// Limits on file size, and amounts of free space, that are tried.
const LIMITS: u64 = 12;
const LEVELS: u64 = 6;
const MIB: u64 = 1024 * 1024;
/// A run does not start with less; see `FREE_BYTES_MIN`.
const FREE_MIN: u64 = 16 * MIB;
const BLOCK: u64 = 1024;
/// SQLite's shared memory grows in steps of this size; see `WALINDEX_PGSZ` in its wal.c.
const SHARED_PART: u64 = 32 * BLOCK;

fn corpus(documents: u64, sections: usize) -> Place {
    let place = Place::new();
    place.configure(&SETTINGS.replace("dim = 64", "dim = 16"));
    for number in 0..documents {
        place.write(&format!("{number}.md"), markdown(number, sections, "common"));
    }
    place
}

/// Fails if a run that found no space did not report it.
fn assert_told(ended: &Ended, kb: &Path) {
    assert_eq!(ended.code(), Some(40), "{ended:?}");
    let is_told =
        ended.stderr.contains(&kb.display().to_string()) && ended.stderr.contains("bytes free");
    // It is unknown whose page caused the SIGBUS.
    assert!(is_told || ended.stderr.contains("shared memory"), "{ended:?}");
    assert!(ended.stderr.contains("resume") && !ended.stderr.contains("panicked"), "{ended:?}");
}

/// Resumes with enough space, and compares.
fn assert_recovers(toml: &Path, kb: &Path, expected: &str) {
    let has_run = kb.exists() && read_only(kb).prepare("SELECT * FROM run").is_ok();
    if has_run {
        assert_sound(kb);
        let ended = shim::run("resume", toml, kb);
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    let ended = shim::run("ingest", toml, kb);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_sound(kb);
    assert!(dump(kb) == expected, "the content differs from that of a run with enough space");
}

#[test]
fn a_limit_on_file_size_is_a_full_disk() {
    let (place, since) = (corpus(40, 12), Instant::now());
    let (toml, kb) = (place.toml(), place.kb());
    place.ingest();
    let expected = place.dump();
    // The WAL grows larger than the file, as pages are written more than once.
    let largest = fs::metadata(&kb).unwrap().len() * 3;
    let (mut full, mut whole) = (0, 0);
    for limit in shim::spread(largest / 512, shim::samples(LIMITS).or(Some(400)), 0) {
        remove_kb(&kb);
        let mut command = Command::new("sh");
        // POSIX: the unit of `ulimit -f` is 512 bytes.
        command.args(["-c", &format!("ulimit -f {limit}; exec \"$@\""), "sh"]);
        command.arg(env!("CARGO_BIN_EXE_kbingest")).arg("ingest").arg(&toml);
        let ended = shim::start(command, &kb);
        if ended.code() == Some(0) {
            whole += 1;
        } else {
            assert_told(&ended, &kb);
            full += 1;
        }
        assert_recovers(&toml, &kb, &expected);
    }
    let seconds = since.elapsed().as_secs();
    println!("limits on file size: {full} full, {whole} whole, {seconds} s");
    assert!(full > whole, "the limits are too large");
}

/// Unpacking and fetching need space of their own.
#[test]
fn a_source_that_finds_no_space_ends_the_run() {
    let place = Place::new();
    let settings = |source: &str| format!("[kb]\npath = 'kb.kb'\n{source}[embed.hash]\ndim = 16\n");
    let shell = |script: &str| {
        let status = Command::new("sh").current_dir(place.path("")).args(["-ec", script]).status();
        assert!(status.unwrap().success(), "{script}");
    };
    shell(
        "mkdir repo; head -c 4000000 /dev/zero | tr '\\0' x >repo/large.txt; tar czf a.tgz repo; cd repo
         for n in 1 2 3 4; do head -c 1000000 /dev/urandom >$n.bin; done
         git init -q; git add .; git -c user.name=A -c user.email=a@example.org commit -qm first",
    );
    for (source, path) in [
        ("[[source.archive]]\nname = 'a'\npath = 'a.tgz'\n", "spool-a"),
        ("[[source.git]]\nname = 'g'\nurl = 'repo'\n", "git/g-"),
    ] {
        place.configure(&settings(source));
        let (toml, kb) = (place.toml(), place.kb());
        remove_kb(&kb);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 1800; exec \"$@\"", "sh"]);
        command.arg(env!("CARGO_BIN_EXE_kbingest")).arg("ingest").arg(&toml);
        let ended = shim::start(command, &kb);
        assert_eq!(ended.code(), Some(40), "{ended:?}");
        assert!(ended.stderr.contains(path) && ended.stderr.contains("resume"), "{ended:?}");
        let size: u64 = walkdir::WalkDir::new(place.cache())
            .into_iter()
            .map(|entry| entry.unwrap().metadata().unwrap())
            .filter(|metadata| metadata.is_file())
            .map(|metadata| metadata.len())
            .sum();
        assert!(size < 64 * 1024, "{path} keeps the disk full: {size} bytes");
        let ended = shim::run("resume", &toml, &kb);
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert_sound(&kb);
    }
}

/// A file system of its own, until it is dropped.
struct Mount {
    folder: TempDir,
    _image: TempDir,
}

impl Mount {
    /// Mounts a tmpfs; returns the reason if that is impossible.
    fn tmpfs(size: u64) -> Result<Self, String> {
        let (folder, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let size = format!("size={size}");
        succeed("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(folder.path())])?;
        Ok(Self { folder, _image: image })
    }

    /// Mounts an ext4 with blocks of 1 KiB and no reserve for root.
    fn ext4(size: u64) -> Result<Self, String> {
        let (folder, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let file = image.path().join("image");
        fs::File::create(&file).unwrap().set_len(size).unwrap();
        succeed("mkfs.ext4", &["-q", "-b", "1024", "-m", "0", text(&file)])?;
        succeed("mount", &["-o", "loop", text(&file), text(folder.path())])?;
        Ok(Self { folder, _image: image })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn free(&self) -> u64 {
        kbingest::support::storage::free_bytes(&self.path("x")).unwrap()
    }

    /// Fills it until `free` bytes are left.
    fn fill(&self, free: u64) {
        self.empty();
        // Whole blocks that are written: a hole takes no space. A large file needs some for itself.
        let zeros = vec![0; usize::try_from(BLOCK).unwrap()];
        let chunk = vec![0; usize::try_from(MIB).unwrap()];
        let mut file = fs::File::create(self.path("filler")).unwrap();
        while self.free() > free + MIB {
            std::io::Write::write_all(&mut file, &chunk).unwrap();
            file.sync_data().unwrap();
        }
        while self.free() >= free + BLOCK {
            let left = (self.free() - free) / BLOCK;
            (0..left).for_each(|_| std::io::Write::write_all(&mut file, &zeros).unwrap());
            file.sync_data().unwrap();
        }
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.path("filler"));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = succeed("umount", &[text(self.folder.path())]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn succeed(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {stderr}")) }
}

/// Returns the length of a file after a call.
fn length_after(action: &Action, length: u64) -> u64 {
    match action {
        Action::Write { offset, bytes } => length.max((offset + bytes.len()) as u64),
        Action::Truncate { length } => *length as u64,
        Action::Unlink => 0,
        _ => length,
    }
}

/// A run on a small file system, with less and less space.
struct SmallDisk {
    place: Place,
    mount: Mount,
    expected: String,
    needed: Needed,
}

/// The space that a run takes.
#[derive(Clone, Copy, Debug, Default)]
struct Needed {
    /// At most.
    most: u64,
    /// When it first asks for a second part of SQLite's shared memory.
    at_second_part: Option<u64>,
}

impl SmallDisk {
    fn new(mount: Mount, documents: u64) -> Self {
        let place = corpus(documents, 110);
        let settings = fs::read_to_string(place.toml()).unwrap();
        let kb = mount.path("kb.kb");
        place.configure(&settings.replace("'kb.kb'", &format!("'{}'", text(&kb))));
        let config = Config { kb: place.path("other.kb"), ..place.config() };
        assert_eq!(ingest(&config, None).exit_code, 0);
        let expected = dump(&config.kb);
        let mut disk = Self { place, mount, expected, needed: Needed::default() };
        disk.needed = disk.measure();
        disk
    }

    fn kb(&self) -> PathBuf {
        self.mount.path("kb.kb")
    }

    /// Measures an undisturbed run by its calls.
    fn measure(&self) -> Needed {
        let log = self.place.path("log");
        shim::record("ingest", &self.place.toml(), &self.kb(), Some(&log));
        let mut lengths: HashMap<String, u64> = HashMap::new();
        let mut needed = Needed::default();
        for Call { name, action, .. } in log::read(&log) {
            let now: u64 = lengths.values().sum();
            if name.ends_with("-shm") && length_after(&action, 0) > SHARED_PART {
                needed.at_second_part.get_or_insert(now);
            }
            needed.most = needed.most.max(now);
            let length = lengths.entry(name).or_default();
            *length = length_after(&action, *length);
        }
        needed
    }

    /// Runs with `free` bytes of space; returns how it ended, after it was completed.
    fn run(&self, free: u64) -> Ended {
        remove_kb(&self.kb());
        self.mount.fill(free);
        let ended = shim::run("ingest", &self.place.toml(), &self.kb());
        if ended.code() != Some(0) {
            assert_told(&ended, &self.kb());
        }
        self.mount.empty();
        assert_recovers(&self.place.toml(), &self.kb(), &self.expected);
        ended
    }

    fn sweep(&self, name: &str, levels: &[u64]) -> usize {
        let since = Instant::now();
        let ended: Vec<_> = levels.iter().map(|free| self.run(*free)).collect();
        let full = ended.iter().filter(|ended| ended.code() == Some(40)).count();
        let bus = ended.iter().filter(|ended| ended.stderr.contains("shared memory")).count();
        let (count, seconds) = (ended.len(), since.elapsed().as_secs());
        let needed = self.needed;
        println!("{name}: {needed:?}, {count} runs, {full} full, {bus} by SIGBUS, {seconds} s");
        assert!(full >= 2, "a run with {FREE_MIN} bytes free did not fill the disk");
        bus
    }

    /// Returns too little space to start, and amounts between the required minimum and what is
    /// needed.
    fn levels(&self) -> Vec<u64> {
        let most = self.needed.most;
        assert!(most > FREE_MIN + MIB, "the corpus is too small: it needs {most} bytes");
        let step = (most - FREE_MIN) / LEVELS;
        let between = (0..LEVELS).map(|level| FREE_MIN + BLOCK * 64 + level * step);
        std::iter::once(FREE_MIN / 2).chain(between).collect()
    }
}

fn on(name: &str, mount: Result<Mount, String>) {
    match mount {
        // Some 2.5 MiB of text: with chunks and WAL more than the required minimum of space.
        Ok(mount) => {
            let disk = SmallDisk::new(mount, 240);
            disk.sweep(name, &disk.levels());
        }
        Err(reason) => println!("{name} skipped: {reason}"),
    }
}

#[test]
fn a_full_tmpfs_ends_the_run() {
    on("tmpfs", Mount::tmpfs(96 * MIB));
}

#[test]
fn a_full_ext4_ends_the_run() {
    on("ext4", Mount::ext4(96 * MIB));
}

/// SQLite asks for shared memory in parts of 32 KiB and writes one byte into each page of 4 KiB:
/// with blocks of 1 KiB the rest of a page takes space only when it is used.
#[test]
fn a_full_ext4_under_shared_memory_ends_the_run() {
    if shim::samples(LIMITS).is_some() {
        println!("ext4, SIGBUS skipped: it takes minutes, KBINGEST_FAULTS=all runs it");
        return;
    }
    let mount = match Mount::ext4(160 * MIB) {
        Ok(mount) => mount,
        Err(reason) => return println!("ext4, SIGBUS skipped: {reason}"),
    };
    let disk = SmallDisk::new(mount, 500);
    let at = disk.needed.at_second_part.expect("the WAL grows beyond 4,062 pages");
    // The space that the file system itself takes is not known to the kilobyte.
    let levels: Vec<_> = (0..16).map(|level| at + level * 12 * BLOCK - 24 * BLOCK).collect();
    assert!(disk.sweep("ext4, SIGBUS", &levels) > 0, "SIGBUS never came");
}
