//! A web server on loopback for tests: pages that can change while it runs, and a record of the
//! requests.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::wait::wait_until;

/// What the crawler requests to learn what soft 404s of a host look like.
pub const NOBODY: &str = "kbingest-asks-for-a-page-that-is-not-there";

/// One response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The value of `Content-Length`, if it is wrong.
    pub length: Option<usize>,
    /// Sends the body again and again, until the client disconnects.
    pub is_endless: bool,
    /// Sends nothing, until the client disconnects.
    pub is_silent: bool,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            length: None,
            is_endless: false,
            is_silent: false,
        }
    }

    pub fn html(body: &str) -> Self {
        Self::new(200, "text/html; charset=utf-8", body)
    }

    pub fn redirect(to: &str) -> Self {
        Self::new(301, "text/plain", "").with("Location", to)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A request as received.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

type Handler = dyn Fn(&Asked, usize) -> Option<Reply> + Send + Sync;

#[derive(Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<Asked>>,
    /// Current connections, and the last ones.
    clients: Mutex<(HashSet<SocketAddr>, Option<SocketAddr>)>,
    handler: Mutex<Option<Arc<Handler>>>,
    is_done: AtomicBool,
}

/// The server; it stops when dropped.
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let server = Self { port, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                if shared.is_done.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                let Ok(client) = stream.peer_addr() else { continue };
                let mut clients = shared.clients.lock().unwrap();
                clients.0.insert(client);
                clients.1 = Some(client);
                drop(clients);
                std::thread::spawn(move || {
                    let _ = serve(stream, &shared);
                    shared.clients.lock().unwrap().0.remove(&client);
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http:{}127.0.0.1:{}{path}", "//", self.port)
    }

    pub fn put(&self, path: &str, reply: Reply) {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Puts a page with a title, some text and links.
    pub fn page(&self, path: &str, text: &str, links: &[&str]) {
        self.put(path, Reply::html(&html(path, text, links)));
    }

    pub fn remove(&self, path: &str) {
        assert!(self.shared.pages.lock().unwrap().remove(path).is_some(), "{path} is not there");
    }

    /// Decides before the pages do; gets the number of earlier requests for the path.
    pub fn handle(&self, handler: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.handler.lock().unwrap() = Some(Arc::new(handler));
    }

    pub fn handle_nothing(&self) {
        *self.shared.handler.lock().unwrap() = None;
    }

    /// Returns the requests since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }

    /// Returns the paths requested since the last call, in order.
    pub fn take_paths(&self) -> Vec<String> {
        self.take_asked().into_iter().map(|asked| asked.path).collect()
    }

    /// Returns the paths of pages requested since the last call, in order: without robots.txt and
    /// the like.
    pub fn take_pages(&self) -> Vec<String> {
        let mut paths = self.take_paths();
        paths.retain(|path| {
            !path.ends_with(NOBODY) && !["/robots.txt", "/llms.txt"].contains(&path.as_str())
        });
        paths
    }

    pub fn has_been_asked(&self, path: &str) -> bool {
        self.shared.asked.lock().unwrap().iter().any(|asked| asked.path == path)
    }

    /// Waits until all requests of clients that have disconnected are recorded.
    pub fn wait_for_the_gone(&self) {
        // Clients are served in the order in which they connect: once this one is, all earlier ones
        // are.
        let last = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let address = last.local_addr().unwrap();
        let clients = || self.shared.clients.lock().unwrap();
        wait_until("a connection", || clients().1 == Some(address));
        drop(last);
        wait_until("the end of all connections", || clients().0.is_empty());
    }

    pub fn count(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

pub fn html(title: &str, text: &str, links: &[&str]) -> String {
    let links: String =
        links.iter().map(|link| format!("<a href=\"{link}\">to {link}</a>\n")).collect();
    format!(
        "<!doctype html><html><head><title>Page {title}</title></head><body><nav>{links}</nav>\
         <main><h1>Page {title}</h1><p>{text}</p></main></body></html>"
    )
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let asked = Asked { at: Instant::now(), path, headers, body };
        let before = {
            let mut all = shared.asked.lock().unwrap();
            all.push(asked.clone());
            all.iter().filter(|other| other.path == asked.path).count() - 1
        };
        let reply = reply(&asked, before, shared);
        if reply.is_silent {
            while reader.read_line(&mut String::new())? > 0 {}
            return Ok(());
        }
        if !send(&mut stream, &reply)? {
            return Ok(());
        }
    }
}

fn reply(asked: &Asked, before: usize, shared: &Shared) -> Reply {
    let handler = shared.handler.lock().unwrap().clone();
    if let Some(reply) = handler.and_then(|handler| handler(asked, before)) {
        return reply;
    }
    let page = shared.pages.lock().unwrap().get(&asked.path).cloned();
    let Some(page) = page else { return Reply::new(404, "text/html", "<h1>Not here</h1>") };
    if page.status != 200 {
        return page;
    }
    let etag = format!("\"{}\"", &blake3::hash(&page.body).to_hex()[..16]);
    if asked.headers.get("if-none-match") == Some(&etag) {
        return Reply { body: Vec::new(), status: 304, ..page }.with("ETag", &etag);
    }
    page.with("ETag", &etag)
}

/// Reports whether the connection stays open.
fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} Answer\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if reply.is_endless {
        head += "Connection: close\r\n";
    } else if reply.status != 304 {
        head += &format!("Content-Length: {}\r\n", reply.length.unwrap_or(reply.body.len()));
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(&reply.body)?;
    if reply.is_endless {
        // Until the client hangs up.
        loop {
            stream.write_all(&reply.body)?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stream.flush()?;
    Ok(reply.length.is_none())
}
