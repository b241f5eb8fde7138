//! Files that this program writes for itself: never reached through a link, and shared with other
//! users only if the user says so.
//!
//! A folder from a stranger may contain `kb.kb.lock -> ~/.ssh/authorized_keys`. All files of our
//! own are therefore opened here, and a link in place of one is an error that names it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::sharing::Sharing;
use super::storage;

/// Readable and writable only by its owner.
const PRIVATE: u32 = 0o600;
/// Do not follow a link, wait for a FIFO, or take a terminal.
const PLAIN: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Opens our own file at `path` for reading and writing, and creates it as `sharing` says if it
/// does not exist.
///
/// Fails if there is anything but a regular file: a link, a folder, a FIFO, a device.
pub fn open_or_create(path: &Path, sharing: &Sharing<'_>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(PLAIN);
    regular(path, sharing.create(&mut options, path))
}

/// Opens our own file at `path` for reading; fails like [`open_or_create`].
pub fn open(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().read(true).custom_flags(PLAIN).open(path))
}

/// Opens our own file at `path`, which exists, for writing at its end; fails like
/// [`open_or_create`].
pub fn open_to_append(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().append(true).custom_flags(PLAIN).open(path))
}

/// Opens a file that the user named for reading; follows links.
///
/// Fails if it is a FIFO, a socket or a device, which a folder from a stranger may contain and
/// which would block; allows what the user's own shell passes, as in `<(command)`, which is in
/// `/dev` or `/proc`.
pub fn open_input(path: &Path) -> io::Result<File> {
    let is_of_shell = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    let found = std::fs::metadata(path)?;
    if found.is_file() || found.is_dir() || is_of_shell {
        return File::open(path);
    }
    Err(not_regular(path))
}

/// Creates a new file at `path`; fails if anything exists there, even a dangling link.
pub fn create_new(path: &Path) -> io::Result<File> {
    create_new_as(path, PRIVATE)
}

/// Does the same as [`create_new`] for a file that `sharing` says who may read.
pub fn create_new_shared(path: &Path, sharing: &Sharing<'_>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).custom_flags(PLAIN);
    regular(path, sharing.create(&mut options, path))
}

fn create_new_as(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    regular(path, options.custom_flags(PLAIN).open(path))
}

/// Replaces the file at `path` by one with the content `bytes`, in one step.
///
/// Replaces a link instead of writing to its target, and a new file left by a killed process.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_as(path, bytes, PRIVATE)
}

/// Does the same as [`replace`] for a result that the user requested: its mode follows the umask.
pub fn replace_result(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_as(path, bytes, 0o666)
}

fn replace_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut new = NewFile::create_as(path, mode)?;
    new.write_all(bytes)?;
    new.finish()
}

/// A file that is written piece by piece, and appears, or replaces another one, when it is
/// complete. If it never is, nothing is left of it, except by a kill.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins a result that the user requested at `path`: its mode follows the umask.
    pub fn create_result(path: &Path) -> io::Result<Self> {
        Self::create_as(path, 0o666)
    }

    fn create_as(path: &Path, mode: u32) -> io::Result<Self> {
        let part = storage::beside(path, ".part");
        remove(&part)?;
        let file = create_new_as(&part, mode)?;
        Ok(Self { path: path.to_owned(), part, file })
    }

    /// Makes it the file at its path.
    pub fn finish(self) -> io::Result<()> {
        std::fs::rename(&self.part, &self.path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone if it was finished; otherwise the first error is the one to report.
        let _ = remove(&self.part);
    }
}

/// Creates a file without a name: the system frees it when the process ends, even by a kill.
pub fn nameless(path: &Path) -> io::Result<File> {
    // Left by a process that was killed between the two steps.
    remove(path)?;
    let file = create_new(path)?;
    remove(path)?;
    Ok(file)
}

/// Removes the name `path`, never the target of a link there; does nothing if it does not exist.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Fails if one of our own files at `paths` is a link.
///
/// For files that a library opens by name, as SQLite does: they may be replaced between this check
/// and the opening, and only a folder that others cannot write to makes this safe.
pub fn refuse_links<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> io::Result<()> {
    for path in paths {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_symlink()) {
            return Err(link(path));
        }
    }
    Ok(())
}

fn regular(path: &Path, opened: io::Result<File>) -> io::Result<File> {
    let kind = || path.symlink_metadata().map(|metadata| metadata.file_type());
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(not_regular(path)),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Err(link(path)),
        // A FIFO without a reader, or a link where a new file was to be created.
        Err(error) => match kind() {
            Ok(kind) if kind.is_symlink() => Err(link(path)),
            Ok(kind) if kind.is_fifo() || kind.is_socket() || kind.is_dir() => {
                Err(not_regular(path))
            }
            _ => Err(error),
        },
    }
}

fn link(path: &Path) -> io::Error {
    let place = path.display();
    io::Error::other(format!(
        "{place} is a symbolic link, and a file of kbingest's own is never reached through one; remove the link"
    ))
}

fn not_regular(path: &Path) -> io::Error {
    io::Error::other(format!("{} is not a regular file; move it away", path.display()))
}

/// Returns why no file can be created beside `path`; `None` if one can. Leaves none.
pub fn cannot_create_beside(path: &Path) -> Option<io::Error> {
    // A name that only this process uses: a file of somebody else would prove nothing.
    let probe = storage::beside(path, &format!("-probe-{}", std::process::id()));
    match create_new(&probe) {
        Ok(_) => {
            let _ = remove(&probe);
            None
        }
        Err(_) if probe.symlink_metadata().is_ok() => None,
        Err(error) => Some(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_link_in_the_place_of_a_file_of_ours_is_refused_or_replaced_and_its_target_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [target, path] = ["target", "ours"].map(|name| folder.path().join(name));
        for leads_somewhere in [true, false] {
            let _ = std::fs::remove_file(&target);
            if leads_somewhere {
                std::fs::write(&target, "precious").unwrap();
            }
            let check = |opened: io::Result<File>| {
                let error = opened.unwrap_err().to_string();
                assert!(error.contains("ours is a symbolic link"), "{error}");
            };
            symlink(&target, &path).unwrap();
            check(open(&path));
            check(open_or_create(&path, &Sharing::default()));
            check(create_new(&path));
            assert!(refuse_links([&path]).is_err());
            replace(&path, b"new").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(target.exists(), leads_somewhere);
            std::fs::remove_file(&path).unwrap();
            symlink(&target, &path).unwrap();
            nameless(&path).unwrap().write_all(b"new").unwrap();
            assert!(!path.is_symlink());
            assert!(!leads_somewhere || std::fs::read(&target).unwrap() == b"precious");
        }
    }

    #[test]
    fn a_fifo_or_a_folder_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        for path in [fifo.as_path(), folder.path()] {
            for opened in [open(path), open_or_create(path, &Sharing::default())] {
                let error = opened.unwrap_err().to_string();
                assert!(error.contains("is not a regular file"), "{error}");
            }
        }
    }
}
