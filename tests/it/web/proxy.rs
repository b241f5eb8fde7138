//! Proxies of the environment, through the real binary: its environment is its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::Site;
use super::server::Reply;
use crate::support::remove_kb;

/// A proxy that connects every name to the same server, so the names need not resolve.
struct Proxy {
    port: u16,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&targets);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || tunnel(stream, server, &heard));
            }
        });
        Self { port, targets }
    }

    fn take_targets(&self) -> Vec<String> {
        let mut targets = std::mem::take(&mut *self.targets.lock().unwrap());
        targets.sort();
        targets.dedup();
        targets
    }
}

fn tunnel(stream: TcpStream, server: u16, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let target = first.strip_prefix("CONNECT ")?.split(' ').next()?;
    heard.lock().unwrap().push(target.to_owned());
    let mut client = stream;
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).ok()?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
    let (mut back_from, mut back_to) = (upstream.try_clone().ok()?, client.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut reader, &mut upstream);
    let _ = upstream.shutdown(Shutdown::Write);
    Some(())
}

/// Runs an ingest with these variables and no other proxies; returns its exit code.
fn ingest(site: &Site, variables: &[(&str, &str)]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    let status = command
        .args(["ingest", "--trust", "--progress", "none"])
        .arg(site.place.toml())
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().code()
}

#[test]
fn requests_go_through_the_proxy_of_the_environment() {
    let site = Site::new();
    site.server.page(
        "/docs/",
        "Start.",
        &["a.html", "metadata", "http://127.0.0.1:1/", "http://localhost:1/"],
    );
    site.server.page("/docs/a.html", "Alpha.", &[]);
    let metadata = format!("http:{}169.254.169.254/latest/meta-data/", "//");
    site.server.put("/docs/metadata", Reply::redirect(&metadata));
    let proxy = Proxy::start(site.server.port);
    let address = format!("http:{}127.0.0.1:{}", "//", proxy.port);
    let host = format!("docs.kbingest.invalid:{}", site.server.port);
    site.configure_all(&format!(
        "start_urls = ['http:{}{host}/docs/']\nsame_host = false\nrequests_per_second = 1000",
        "//"
    ));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        remove_kb(&site.place.kb());
        assert_eq!(ingest(&site, &[(name, &address)]), Some(0), "{name}");
        // The proxy resolved the name; addresses that are not public never reached it.
        assert_eq!(proxy.take_targets(), [host.as_str()], "{name}");
        assert_eq!(site.documents().len(), 2, "{name}");
    }
    let states = site.states().join("\n");
    assert!(states.contains("169.254.169.254 is not public"), "{states}");

    // A name in the list is requested directly, and not found; a proxy for https does not affect
    // http.
    for variables in [
        [("HTTP_PROXY", address.as_str()), ("NO_PROXY", "example.org,kbingest.invalid")],
        [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "")],
    ] {
        assert_eq!(ingest(&site, &variables), Some(20), "{variables:?}");
        assert_eq!(proxy.take_targets(), Vec::<String>::new(), "{variables:?}");
    }
    assert_eq!(site.documents().len(), 2);
    // No server at the proxy's address; an address that is invalid.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_eq!(ingest(&site, &[("HTTP_PROXY", &dead)]), Some(20));
    assert_eq!(ingest(&site, &[("HTTP_PROXY", &format!("ftp:{}nowhere:21", "//"))]), Some(2));
}
