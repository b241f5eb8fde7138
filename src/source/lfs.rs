//! Pointer files of Git LFS, which stand for a content that is stored elsewhere: never documents.

/// The beginnings of pointers, now and in early versions: github.com/git-lfs/git-lfs, docs/spec.md
/// and `lfs/pointer.go`.
const BEGINNINGS: [&[u8]; 3] = [
    b"version https://git-lfs.github.com/spec/v1\n",
    b"version https://hawser.github.com/spec/v1\n",
    b"version http://git-media.io/v/2\n",
];
/// Limit on a pointer, in bytes.
const BYTES_MAX: usize = 1024;

/// Reports whether `bytes` are a pointer.
pub(super) fn is_pointer(bytes: &[u8]) -> bool {
    bytes.len() <= BYTES_MAX && BEGINNINGS.iter().any(|start| bytes.starts_with(start))
}

/// Returns the size of the content that a pointer stands for.
pub(super) fn size_bytes(pointer: &[u8]) -> Option<u64> {
    let mut lines = pointer.split(|&byte| byte == b'\n');
    let size = lines.find_map(|line| line.strip_prefix(b"size "))?;
    std::str::from_utf8(size).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_recognised() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
        assert!(is_pointer(pointer));
        assert_eq!(size_bytes(pointer), Some(12345));
        assert!(is_pointer(b"version https://hawser.github.com/spec/v1\nsize x\n"));
        assert_eq!(size_bytes(b"version https://hawser.github.com/spec/v1\nsize x\n"), None);
        assert!(!is_pointer(b"# About version https://git-lfs.github.com/spec/v1\n"));
        assert!(!is_pointer(&[&pointer[..], &[b'x'; BYTES_MAX]].concat()));
    }
}
