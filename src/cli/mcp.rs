//! `kbingest mcp`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Ending;
use crate::error::Error;
use crate::operations::Target;
use crate::serve::{self, KnowledgeBases};
use crate::support::checkpoint::StopSignal;
use crate::workers::signal::Signals;

/// Arguments of `mcp`.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// Knowledge base files, or the settings of knowledge bases.
    #[arg(value_name = "KB", default_value = "kb.toml")]
    pub targets: Vec<PathBuf>,
    /// Allows, for this process only, what the settings ask for: `kbingest trust` shows it.
    #[arg(long)]
    pub trust: bool,
}

/// Runs `mcp`.
pub fn run(arguments: &McpArgs) -> Result<Ending, Error> {
    let stop = Arc::new(StopSignal::default());
    let _signals = Signals::listen(Arc::clone(&stop))?;
    let bases = open(&arguments.targets, arguments.trust)?;
    serve::serve_stdio(bases, &stop)?;
    Ok(Ending::Code(0))
}

/// Opens the knowledge bases of `targets`.
pub fn open(targets: &[PathBuf], is_trusted: bool) -> Result<KnowledgeBases, Error> {
    let open = |path: &PathBuf| {
        let mut target = Target::open(path)?;
        if is_trusted {
            target.allow();
        }
        Ok(target)
    };
    KnowledgeBases::open(targets.iter().map(open).collect::<Result<_, Error>>()?)
}
