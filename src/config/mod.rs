//! kb.toml: loading it, and the checks that concern more than one value.
//!
//! Each table's type is beside the code that it configures; this module collects them. Every error
//! names the file, the line and column, the key and what is allowed. What a kb.toml would run or
//! send away has to be allowed once, by its content: `requests.rs` lists it, `allowed.rs` remembers
//! it.

mod about;
mod allowed;
mod chunk;
mod expand;
mod place;
mod programs;
mod requests;
mod search;

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::chunk::ChunkConfig;
use crate::embed::{BudgetConfig, CacheFile, EmbedConfig, Setting};
use crate::extract::ExtractConfig;
use crate::source::SourceConfig;
use crate::support::checkpoint::StopSignal;
use crate::support::files;
use crate::support::numbers::counted;
use crate::support::sharing::Mode;
use crate::support::storage;

use self::chunk::ChunkTable;

pub use about::{About, name_of_file};
pub use allowed::{VARIABLE as TRUST_VARIABLE, folder as allowed_folder};
pub use requests::Request;
pub use search::{SearchConfig, WEIGHTS};

/// The vectors of a model that costs, beside the knowledge base.
const VECTOR_CACHE: &str = ".vectors";
/// Limit on kb.toml, in bytes.
const SIZE_MAX_BYTES: u64 = 1024 * 1024;

/// Settings as loaded, with paths made absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kb.toml they come from.
    pub path: PathBuf,
    /// Its folder; relative paths in it are relative to this.
    pub base: PathBuf,
    /// The knowledge base.
    pub kb: PathBuf,
    /// Who may read and write it; `None`: as the umask says.
    pub mode: Option<Mode>,
    /// What it says of itself to the programs that search it.
    pub about: About,
    /// The sources of documents.
    pub source: SourceConfig,
    /// Limits on extracting a document.
    pub extract: ExtractConfig,
    /// How texts are chunked.
    pub chunk: ChunkConfig,
    /// The model that makes vectors.
    pub embed: EmbedConfig,
    /// What embedding may take.
    pub budget: BudgetConfig,
    /// How texts are indexed.
    pub search: SearchConfig,
    /// Whether the user has allowed what [`Config::requests`] lists, or allows it for this run.
    pub is_trusted: bool,
    /// Hash of the file's text, and of the programs in its folder that it runs; the user allows
    /// what it asks for by this hash.
    pub trust_hash: String,
    /// Cache folder, instead of the user's own; not in kb.toml.
    pub cache: Option<PathBuf>,
    /// Hash of the file's text, to detect whether the settings of a resumed run have changed.
    pub hash: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    kb: KbTable,
    #[serde(default)]
    source: SourceConfig,
    #[serde(default)]
    extract: ExtractConfig,
    #[serde(default, rename = "chunk")]
    chunk_table: ChunkTable,
    #[serde(skip)]
    chunk: ChunkConfig,
    #[serde(default)]
    embed: EmbedConfig,
    #[serde(default)]
    budget: BudgetConfig,
    #[serde(default)]
    search: SearchConfig,
    /// Programs whose names contain `~` or variables, as expanded.
    #[serde(skip)]
    expanded_programs: Vec<String>,
}

/// The `[kb]` table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KbTable {
    /// The knowledge base file; default: the config's name with the extension `.kb`.
    path: Option<PathBuf>,
    /// Its permission bits, as in `"0640"`; empty: what the umask leaves of 0666.
    #[serde(default)]
    mode: String,
    /// What programs call it.
    #[serde(default)]
    name: String,
    /// What people call it.
    #[serde(default)]
    title: String,
    /// What it contains and when to search it.
    #[serde(default)]
    description: String,
}

impl KbTable {
    fn mode(&self) -> Result<Option<Mode>, String> {
        if self.mode.is_empty() { Ok(None) } else { Mode::from_str(&self.mode).map(Some) }
    }

    fn about(&self) -> About {
        About {
            name: self.name.clone(),
            title: self.title.trim().to_owned(),
            description: self.description.trim().to_owned(),
        }
    }

    /// Returns the reason if `path` cannot be a knowledge base, `mode` not its mode, or if it says
    /// too much of itself.
    fn problem(&self, base: Option<&Path>) -> Option<String> {
        if let Err(reason) = self.mode() {
            return Some(format!("mode: {reason}"));
        }
        if let Some(reason) = self.about().problem() {
            return Some(reason);
        }
        let path = self.path.as_ref()?;
        let ends_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_folder = ends_as_folder || base.is_some_and(|base| base.join(path).is_dir());
        if path.as_os_str().is_empty() {
            Some("path must name a file, and is empty".to_owned())
        } else {
            is_folder.then(|| format!("path must name a file, and {} is a folder", path.display()))
        }
    }
}

/// Why kb.toml cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It asks for something that has to be allowed first.
    #[error("{} asks for what you have to allow first", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Its requests, at least one.
        requests: Vec<Request>,
        /// Hash of its current content, for `KBINGEST_TRUST`.
        hash: String,
    },
    /// The user's permission cannot be stored.
    #[error("cannot remember that {} is allowed", path.display())]
    Register {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its content is wrong.
    #[error("{}", wrong_settings(path, problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Its text, to show the lines concerned.
        text: String,
        /// Its problems, at least one.
        problems: Vec<Problem>,
    },
}

/// Returns what is wrong; the problems of a file are rendered with its lines, those of code here.
fn wrong_settings(path: &Path, problems: &[Problem]) -> String {
    let count = counted(problems.len() as u64, "wrong setting");
    if !path.as_os_str().is_empty() {
        return format!("{} has {count}", path.display());
    }
    let shown = problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message));
    format!("{count}: {}", shown.collect::<Vec<_>>().join("; "))
}

/// A problem in kb.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the file that it concerns.
    pub span: Range<usize>,
    /// The key, with its tables, as in `chunk.max_tokens`; empty if none applies.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Problem {
    /// Returns line and column of its first byte, both from 1; columns count characters.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = &text[..text.floor_char_boundary(self.span.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl Config {
    /// Returns the default settings for the knowledge base at `kb`, to be completed in code:
    /// without a source, and trusted. Relative paths are relative to the current folder. Operations
    /// check them as they check a kb.toml.
    pub fn new(kb: impl Into<PathBuf>) -> Self {
        // Without a current folder they are left relative.
        let base = std::env::current_dir().unwrap_or_default();
        Self {
            kb: base.join(kb.into()),
            path: PathBuf::new(),
            mode: None,
            about: About::default(),
            source: SourceConfig::default(),
            extract: ExtractConfig { base: Some(base.clone()), ..ExtractConfig::default() },
            chunk: ChunkConfig::default(),
            embed: EmbedConfig::default(),
            budget: BudgetConfig::default(),
            search: SearchConfig::default(),
            base,
            is_trusted: true,
            trust_hash: String::new(),
            cache: None,
            hash: String::new(),
        }
    }

    /// Fails if a setting is wrong, as [`Config::load`] does for those of a file.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self { source, extract, chunk, embed, budget, search, .. } = self;
        let problems = check(&Tables { source, extract, chunk, embed, budget, search }, "", None);
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Wrong { path: self.path.clone(), text: String::new(), problems })
    }

    /// Loads the settings at `path` and checks them. A folder of a source may be missing, as if its
    /// disk were not mounted, but must not be a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, true)
    }

    /// Loads the settings at `path` for a command that needs no sources, and does not check their
    /// folders: a knowledge base and its kb.toml may have been copied elsewhere.
    pub fn load_without_sources(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, false)
    }

    /// Returns the file's requests that have to be allowed once: to run something, or to send
    /// something away.
    pub fn requests(&self) -> Vec<Request> {
        requests::requests(self)
    }

    /// Fails if the file makes requests and the user has not allowed its current content.
    pub fn require_trust(&self) -> Result<(), ConfigError> {
        let requests = self.requests();
        if self.is_trusted || requests.is_empty() {
            return Ok(());
        }
        let (path, hash) = (self.path.clone(), self.trust_hash.clone());
        Err(ConfigError::Untrusted { path, requests, hash })
    }

    /// Returns whether the knowledge base is outside of the folder of kb.toml.
    pub fn kb_is_outside(&self) -> bool {
        requests::leads_out(self, self.kb.parent().unwrap_or(&self.kb))
    }

    /// Returns the file that keeps the vectors and scores of its models; `None` if they cost
    /// nothing, or none is wanted.
    pub fn vector_cache(&self) -> Option<PathBuf> {
        if !self.embed.costs() && self.search.rerank.is_none() {
            return None;
        }
        match &self.embed.cache {
            None => Some(storage::beside(&self.kb, VECTOR_CACHE)),
            Some(path) if path.as_os_str().is_empty() => None,
            Some(path) => Some(self.base.join(path)),
        }
    }

    /// Returns what its embedder works with; its cache is created only if `is_for_run`.
    pub fn embed_setting(&self, stop: &Arc<StopSignal>, is_for_run: bool) -> Setting {
        let cache = self.cache_file(is_for_run).filter(|_| self.embed.costs());
        let program = self.extract.program.clone();
        let fetches = is_for_run;
        Setting { stop: Arc::clone(stop), program, fetches, cache, budget: None }
    }

    /// Returns what its reranker works with. The search that pays for a score creates the cache.
    pub fn rerank_setting(&self) -> Setting {
        let program = self.extract.program.clone();
        let cache = self.cache_file(true);
        Setting { program, cache, ..Setting::default() }
    }

    fn cache_file(&self, is_created: bool) -> Option<CacheFile> {
        self.vector_cache().map(|path| CacheFile { path, mode: self.mode, is_created })
    }

    /// Stores that the user allows the file's requests, as long as neither its content nor its path
    /// changes.
    pub fn trust(&mut self) -> Result<(), ConfigError> {
        let remembered = allowed::allow(&self.absolute_path(), &self.trust_hash);
        remembered.map_err(|source| ConfigError::Register { path: self.path.clone(), source })?;
        self.is_trusted = true;
        Ok(())
    }

    /// Forgets that the user allowed it; returns whether it was allowed.
    pub fn distrust(&mut self) -> Result<bool, ConfigError> {
        self.is_trusted = false;
        allowed::revoke(&self.absolute_path(), &self.trust_hash)
            .map_err(|source| ConfigError::Register { path: self.path.clone(), source })
    }

    fn absolute_path(&self) -> PathBuf {
        match self.path.file_name() {
            Some(name) => self.base.join(name),
            None => self.base.clone(),
        }
    }

    fn load_with(path: &Path, checks_folders: bool) -> Result<Self, ConfigError> {
        let text = read(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let base = match std::path::absolute(path) {
            Ok(absolute) => absolute.parent().map(Path::to_owned).unwrap_or_default(),
            Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        };
        let file = match parse(&text, checks_folders.then_some(base.as_path())) {
            Ok(file) => file,
            Err(problems) => {
                return Err(ConfigError::Wrong { path: path.to_owned(), text, problems });
            }
        };
        let mode = file.kb.mode().unwrap_or_default();
        let about = file.kb.about();
        let mut config = Self {
            kb: base.join(file.kb.path.unwrap_or_else(|| default_kb(path))),
            path: path.to_owned(),
            mode,
            about,
            source: file.source,
            extract: ExtractConfig { base: Some(base.clone()), ..file.extract },
            chunk: file.chunk,
            embed: file.embed.relative_to(&base),
            budget: file.budget,
            search: file.search.relative_to(&base),
            base,
            is_trusted: false,
            trust_hash: String::new(),
            cache: None,
            hash: blake3::hash(text.as_bytes()).to_hex()[..16].to_owned(),
        };
        config.trust_hash = trust_hash(&config, &text, &file.expanded_programs)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        config.is_trusted = allowed::is_allowed(&config.absolute_path(), &config.trust_hash);
        Ok(config)
    }
}

/// Returns the file's text.
fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = files::open_input(path)?;
    file.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX_BYTES {
        return Err(std::io::Error::other("larger than 1 MiB: is this a kb.toml?"));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("not UTF-8: is this a kb.toml?"))
}

/// Returns the hash of `text`, of the names of `programs` that depend on the environment, and of
/// the programs that it runs from its own folder.
fn trust_hash(config: &Config, text: &str, programs: &[String]) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for program in programs {
        hasher.update(b"\0\0").update(program.as_bytes());
    }
    programs::hash(config, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Returns the default path: `kb.toml` -> `kb.kb`.
fn default_kb(config: &Path) -> PathBuf {
    let mut name = config.file_stem().unwrap_or_else(|| "kb".as_ref()).to_owned();
    // Appended: `with_extension` would give `team.a.toml` and `team.b.toml` the same file.
    name.push(".kb");
    PathBuf::from(name)
}

/// Parses and checks `text`; with `base`, the folder of kb.toml, the folders of the sources too.
fn parse(text: &str, base: Option<&Path>) -> Result<File, Vec<Problem>> {
    let mut file: File =
        toml::from_str(text).map_err(|error| vec![place::of_syntax(text, &error)])?;
    (file.chunk, file.embed.measure) = std::mem::take(&mut file.chunk_table).parts();
    let programs = programs::of(&file.extract);
    let (mut problems, unexpanded) = expand::paths(&mut file, text);
    file.expanded_programs = programs::of(&file.extract);
    file.expanded_programs.retain(|program| !programs.contains(program));
    if let Some(message) = file.kb.problem(base) {
        problems.push(place::of_table(text, "kb", message));
    }
    let File { source, extract, chunk, embed, budget, search, .. } = &file;
    problems.extend(check(&Tables { source, extract, chunk, embed, budget, search }, text, base));
    // What else is wrong with such a value cannot be known.
    problems.retain(|problem| !unexpanded.iter().any(|other| other.span == problem.span));
    if base.is_some() {
        problems.extend(unexpanded);
    }
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// The tables of kb.toml that are checked, whether they come from a file or from code.
struct Tables<'a> {
    source: &'a SourceConfig,
    extract: &'a ExtractConfig,
    chunk: &'a ChunkConfig,
    embed: &'a EmbedConfig,
    budget: &'a BudgetConfig,
    search: &'a SearchConfig,
}

/// Returns what is wrong in `tables`, which `text` says if they come from a file; with `base`, the
/// folder of kb.toml, paths of folders must not be of files.
fn check(tables: &Tables<'_>, text: &str, base: Option<&Path>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names = HashSet::new();
    for (table, name, found) in tables.source.tables(base) {
        let found = found.into_iter();
        problems.extend(found.map(|(span, key, message)| Problem { span, key, message }));
        if !names.insert(name.get_ref().as_str()) {
            problems.push(Problem {
                span: name.span(),
                key: format!("source.{table}.name"),
                message: format!(
                    "\"{}\" names two sources; every source needs a name of its own",
                    name.get_ref()
                ),
            });
        }
    }
    if names.is_empty() {
        problems.push(Problem {
            span: 0..0,
            key: "source".to_owned(),
            message: "no source: add a [[source.directory]] table with `name` and `path`, or a [[source.git]], \
                      [[source.web]], [[source.archive]] or [[source.records]] table"
                .to_owned(),
        });
    }
    let checked = [
        ("extract", tables.extract.validate()),
        ("chunk", tables.chunk.validate()),
        ("embed", tables.embed.validate()),
        ("budget", tables.budget.validate()),
        ("search", tables.search.validate()),
    ];
    for (table, result) in checked {
        problems.extend(result.err().map(|message| place::of_table(text, table, message)));
    }
    problems
}
