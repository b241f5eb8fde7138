//! The storage of a file: free space, network file systems, the names of files beside it.

use std::io;
use std::path::{Path, PathBuf};

/// Types of network file systems: their locks and shared memory only work on one machine.
const NETWORK_TYPES: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "ceph",
    "lustre",
    "9p",
    "fuse.sshfs",
    "glusterfs",
];

/// Returns the path beside `path` with `ending` appended to the name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// Returns the paths of a SQLite file and of SQLite's files beside it, the file itself first.
pub fn database_files(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|ending| beside(path, ending))
}

/// Resolves the links in the folder of `path`; returns it unchanged if that fails. A link as the
/// last component is kept.
pub fn resolved(path: &Path) -> PathBuf {
    match (folder_of(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Returns the bytes that an ordinary user can still write at `path`, which need not exist.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder_of(path))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Returns how many more files an ordinary user can create at `path`, which need not exist;
/// unlimited if the file system does not count them.
pub fn free_files(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder_of(path))?;
    Ok(if space.f_files == 0 { u64::MAX } else { space.f_favail })
}

/// Returns whether `error` means that there is no space left, or that a quota or limit on file size
/// was reached.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Returns the type of the network file system that `path` is or would be on, if it is one.
pub fn network_file_system(path: &Path) -> Option<String> {
    let folder = folder_of(path).canonicalize().ok()?;
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").ok()?;
    let file_system = file_system_of(&folder, &mounts)?;
    NETWORK_TYPES.contains(&file_system.as_str()).then_some(file_system)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Returns the type of the file system mounted nearest above `folder`, from a table in the format
/// of `/proc/pid/mountinfo`, see proc(5).
fn file_system_of(folder: &Path, mounts: &str) -> Option<String> {
    let mut nearest = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let Some(point) = before.split(' ').nth(4).map(unescape) else { continue };
        // A later line of the same mount point covers the earlier one.
        let depth = point.components().count();
        if folder.starts_with(&point) && nearest.as_ref().is_none_or(|(best, _)| depth >= *best) {
            nearest = after.split(' ').next().map(|kind| (depth, kind.to_owned()));
        }
    }
    nearest.map(|(_, kind)| kind)
}

/// Mount points have spaces, tabs, line feeds and backslashes as octal escapes.
fn unescape(point: &str) -> PathBuf {
    PathBuf::from(
        point
            .replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "22 1 0:5 / / rw - ext4 /dev/sda rw\n\
                      30 22 0:9 / /mnt/my\\040data rw shared:1 - nfs4 host:/x rw\n\
                      31 30 0:7 / /mnt/my\\040data/local rw - tmpfs tmpfs rw\n";
        let check = |folder: &str, expected: &str| {
            assert_eq!(file_system_of(Path::new(folder), mounts).as_deref(), Some(expected));
        };
        check("/home", "ext4");
        check("/mnt/my data/kb", "nfs4");
        check("/mnt/my data/local/kb", "tmpfs");
    }

    #[test]
    fn some_space_is_left_here() {
        assert!(free_bytes(Path::new("x.kb")).is_ok_and(|bytes| bytes > 0));
    }
}
