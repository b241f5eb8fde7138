//! `cache`: the vectors that were paid for, and are kept for other runs.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::error::Error;
use crate::kb::vector_cache::{CacheStatistics, VectorCache};

/// What a cache holds; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct CacheReport {
    /// Version of this object's form.
    pub schema: u32,
    /// Its file; `None` if the settings name a model that costs nothing.
    #[serde(serialize_with = "crate::support::names::lossy_option")]
    pub cache: Option<PathBuf>,
    /// Limit on its size, in bytes.
    pub bytes_max: u64,
    /// Vectors that were deleted.
    pub deleted: u64,
    /// What it holds now; `None` if there is no file.
    pub statistics: Option<CacheStatistics>,
}

/// Reports what the cache of `config` holds; deletes first what was not used for `unused_days`, if
/// that is set.
pub fn cache(config: &Config, unused_days: Option<u32>) -> Result<CacheReport, Error> {
    let cache = config.vector_cache();
    let bytes_max = config.embed.cache_max.0;
    let mut report = CacheReport { schema: 1, cache, bytes_max, deleted: 0, statistics: None };
    if let Some(path) = report.cache.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
        let cache = VectorCache::open(path, bytes_max)?;
        if let Some(days) = unused_days {
            report.deleted = cache.prune(days)?;
        }
        report.statistics = Some(cache.statistics()?);
    }
    Ok(report)
}
