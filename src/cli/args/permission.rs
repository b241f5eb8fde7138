//! Arguments that allow what settings ask for, and writing what others own.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::Error;
use crate::operations;

/// Argument of every command that extracts documents or sends texts to a model.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Allows, for this run only, what the settings ask for: commands to run, environment variables
    /// to send, private hosts. `kbingest trust` shows it, and allows it until it changes.
    #[arg(long)]
    pub trust: bool,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustCommandArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Shows what it asks for, and its hash, without allowing it.
    #[arg(long)]
    pub show: bool,
    /// Withdraws the permission.
    #[arg(long, conflicts_with = "show")]
    pub revoke: bool,
}

/// Argument of every command that writes a knowledge base.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Writes the knowledge base even if it belongs to another user, who may have planted it, or to
    /// another kb.toml.
    #[arg(long)]
    pub adopt: bool,
}

impl AdoptArgs {
    /// Fails if the knowledge base at `kb` belongs to another user and `--adopt` is not given.
    pub fn judge(&self, kb: &Path) -> Result<(), Error> {
        if self.adopt { Ok(()) } else { operations::refuse_others(kb) }
    }
}
