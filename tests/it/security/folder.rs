//! D: a folder with a kb.toml from a stranger, as a clone, an archive or a download brings it.
