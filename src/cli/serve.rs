//! `kbingest serve`.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use listenfd::ListenFd;

use super::{Ending, mcp, output};
use crate::error::Error;
use crate::serve::{self, Access, RunProgram};
use crate::support::checkpoint::StopSignal;
use crate::workers::signal::Signals;

/// The port, unless another one is asked for.
const PORT: u16 = 8321;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Knowledge base files, or the settings of knowledge bases.
    #[arg(value_name = "KB", default_value = "kb.toml")]
    pub targets: Vec<PathBuf>,
    /// Address to listen on; any but that of this machine alone needs --token-env.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Port to listen on; 0 chooses a free one.
    #[arg(long, default_value_t = PORT)]
    pub port: u16,
    /// Requires the token in this environment variable, as `Authorization: Bearer`.
    #[arg(long, value_name = "VARIABLE")]
    pub token_env: Option<String>,
    /// Accepts requests for this name, beside localhost and IP addresses; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Lets requests start and cancel runs of knowledge bases that are given by their kb.toml.
    #[arg(long)]
    pub allow_runs: bool,
    /// Allows, for this process only, what the settings ask for: `kbingest trust` shows it.
    #[arg(long)]
    pub trust: bool,
}

/// Runs `serve`.
pub fn run(arguments: &ServeArgs) -> Result<Ending, Error> {
    let stop = Arc::new(StopSignal::default());
    let _signals = Signals::listen(Arc::clone(&stop))?;
    let token = arguments.token_env.as_deref().map(token).transpose()?;
    let access = Access { token, hosts: arguments.allow_host.clone() };
    let listener = listener(arguments)?;
    let bases = mcp::open(&arguments.targets, arguments.trust)?;
    if let Ok(address) = listener.local_addr() {
        output::message(&format!("listening on http://{address}"));
    }
    let runs = arguments.allow_runs.then(|| runs(arguments)).transpose()?;
    serve::serve_http(listener, bases, access, runs, &stop)?;
    Ok(Ending::Code(0))
}

/// Returns how requests start runs.
fn runs(arguments: &ServeArgs) -> Result<RunProgram, Error> {
    let path = std::env::current_exe().map_err(|error| Error::Internal {
        place: "path of this program",
        message: error.to_string(),
    })?;
    Ok(RunProgram {
        path,
        is_trusted: arguments.trust,
        token_variable: arguments.token_env.clone(),
    })
}

/// Returns the token in an environment variable.
fn token(variable: &str) -> Result<String, Error> {
    /// A shorter one can be guessed.
    const TOKEN_BYTES_MIN: usize = 16;
    match std::env::var(variable) {
        Ok(token) if token.trim().len() >= TOKEN_BYTES_MIN => Ok(token.trim().to_owned()),
        Ok(_) => {
            Err(wrong(format!("the token in {variable} is shorter than {TOKEN_BYTES_MIN} bytes")))
        }
        Err(_) => Err(wrong(format!("the environment variable {variable} is not set"))),
    }
}

/// Returns the socket that systemd has opened, or opens one.
fn listener(arguments: &ServeArgs) -> Result<TcpListener, Error> {
    let given = ListenFd::from_env().take_tcp_listener(0);
    match given.map_err(|error| wrong(format!("LISTEN_FDS names no TCP socket: {error}")))? {
        Some(listener) => Ok(listener),
        None => {
            let address = (arguments.host, arguments.port);
            TcpListener::bind(address).map_err(|error| {
                wrong(format!("cannot listen on {}:{}: {error}", address.0, address.1))
            })
        }
    }
}

fn wrong(message: String) -> Error {
    Error::Usage { message, hint: None }
}
