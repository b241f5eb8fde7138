//! The requests of a kb.toml that its reader has to allow once: to run something, or to send
//! something away.
//!
//! Reading folders and crawling public sites over https or http needs no permission. Everything
//! else that a setting can make the program do to the outside belongs in this list, which is also
//! shown to the user.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Config;
use crate::embed::Measure;
use crate::source::may_be_private;
use crate::support::storage;

/// One request of a kb.toml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The table of kb.toml, with the name of its source if it has one.
    pub table: String,
    /// What it would do, with the literal values of the file.
    pub what: String,
}

/// Returns the requests of `config`, in the order of kinds; empty if nothing has to be allowed.
///
/// Paths that lead out of the folder of kb.toml are listed too, but request nothing by themselves.
pub(super) fn requests(config: &Config) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut ask = |table: String, what: String| requests.push(Request { table, what });
    for command in &config.extract.command {
        ask(
            "[[extract.command]]".to_owned(),
            format!("runs {:?} for {:?}", command.run, command.pattern),
        );
    }
    for source in &config.source.git {
        let table = || format!("[[source.git]] {:?}", source.name.get_ref());
        let url = source.absolute_url(&config.base);
        let is_local = Path::new(&url).is_absolute() || url.starts_with("file://");
        if !is_local && !url.starts_with("https://") {
            ask(table(), format!("fetches {url:?} by another protocol than https"));
        }
        if may_be_private(&url) {
            ask(table(), format!("connects to a host that may not be public: {url:?}"));
        }
        let variable = source.password_env.get_ref();
        if !variable.is_empty() {
            ask(
                table(),
                format!("sends the environment variable {variable} as a password to {url:?}"),
            );
        }
    }
    for source in &config.source.web {
        let table = || format!("[[source.web]] {:?}", source.name.get_ref());
        let starts = source.start_urls.iter().chain(&source.urls).map(|url| url.get_ref().as_str());
        let starts: Vec<_> = starts.collect();
        for header in &source.headers {
            let (name, variable) =
                header.get_ref().split_once('=').unwrap_or((header.get_ref(), ""));
            ask(
                table(),
                format!(
                    "sends the environment variable {variable} in the header {name} to {starts:?}"
                ),
            );
        }
        if !source.private_hosts.is_empty() {
            let hosts: Vec<_> =
                source.private_hosts.iter().map(|host| host.get_ref().as_str()).collect();
            ask(table(), format!("connects to hosts that are not public: {hosts:?}"));
        }
    }
    requests.extend(models(config));
    if !requests.is_empty() {
        requests.extend(outside(config));
    }
    requests
}

/// Returns what models behind servers ask for.
fn models(config: &Config) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut ask = |table: &str, what: String| {
        requests.push(Request { table: table.to_owned(), what });
    };
    let mut connect = |table, sends: &str, servers: &[&str], variables: &[(&str, &str)]| {
        ask(table, format!("sends {sends}, to {servers:?}"));
        if servers.iter().any(|url| may_be_private(url)) {
            ask(table, format!("connects to a host that may not be public: {servers:?}"));
        }
        for (name, variable) in variables {
            let what = format!("sends the environment variable {variable} in the header {name}");
            ask(table, format!("{what} to {servers:?}"));
        }
    };
    if let Some(http) = &config.embed.http {
        let servers: Vec<_> = http.servers().collect();
        let sends = "the texts of all documents, and of queries";
        connect("[embed.http]", sends, &servers, &http.variables());
    }
    if let Some(http) = config.search.rerank.as_ref().and_then(|rerank| rerank.http.as_ref()) {
        let sends = "queries, and the texts found";
        connect("[search.rerank.http]", sends, &[&http.url], &http.variables());
    }
    requests
}

/// Returns the paths of `config` that lead out of its folder, links resolved: a folder from a
/// stranger may contain links.
fn outside(config: &Config) -> Vec<Request> {
    let sources = &config.source;
    let mut paths: Vec<(String, &'static str, PathBuf)> =
        vec![("[kb]".to_owned(), "writes", config.kb.clone())];
    let model = config.embed.onnx.as_ref().map(|onnx| config.base.join(&onnx.model));
    paths.extend(model.map(|path| ("[embed.onnx]".to_owned(), "reads", path)));
    let http = config.embed.http.as_ref().map(|http| &http.tokenizer);
    for (table, measure) in [("[chunk]", Some(&config.embed.measure)), ("[embed.http]", http)] {
        if let Some(Measure::File(path)) = measure {
            paths.push((table.to_owned(), "reads", path.clone()));
        }
    }
    let reranker = config.search.rerank.as_ref().and_then(|rerank| rerank.onnx.as_ref());
    let model = reranker.map(|onnx| config.base.join(&onnx.model));
    paths.extend(model.map(|path| ("[search.rerank.onnx]".to_owned(), "reads", path)));
    paths.extend(config.vector_cache().map(|path| ("[embed]".to_owned(), "writes", path)));
    let mut read = |kind, name: &str, path: &Path| {
        paths.push((format!("[[source.{kind}]] {name:?}"), "reads", config.base.join(path)));
    };
    for one in &sources.directory {
        read("directory", one.name.get_ref(), one.path.get_ref());
    }
    for one in &sources.archive {
        read("archive", one.name.get_ref(), one.path.get_ref());
    }
    for one in &sources.records {
        read("records", one.name.get_ref(), one.path.get_ref());
    }
    for one in sources.web.iter().filter(|one| !one.url_file.as_os_str().is_empty()) {
        read("web", one.name.get_ref(), &one.url_file);
    }
    for one in &sources.git {
        let url = one.absolute_url(&config.base);
        let path = PathBuf::from(url.strip_prefix("file://").unwrap_or(&url));
        if path.is_absolute() {
            read("git", one.name.get_ref(), &path);
        }
    }
    paths
        .into_iter()
        .filter(|(_, _, path)| leads_out(config, path))
        .map(|(table, does, path)| Request {
            table,
            what: format!("{does} {:?}, outside of the folder of this file", real(&path)),
        })
        .collect()
}

/// Returns whether `path` leads out of the folder of kb.toml.
pub(super) fn leads_out(config: &Config, path: &Path) -> bool {
    !real(path).starts_with(real(&config.base))
}

/// Returns the target of `path`, as far as it exists.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| storage::resolved(path))
}
