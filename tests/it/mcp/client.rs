//! A client that speaks the protocol by lines of JSON, and nothing else.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::support::program;
use crate::wait::end_of;

/// A session with a server of its own.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last_id: u64,
    /// What the server says of itself.
    pub welcome: Value,
}

impl Client {
    /// Starts a server of these knowledge bases, and greets it.
    pub fn of(targets: &[&Path]) -> Self {
        let mut child = program()
            .arg("mcp")
            .args(targets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self { child, input, output, last_id: 0, welcome: Value::Null };
        client.welcome = client.request(
            "initialize",
            &json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "tests", "version": "1"},
            }),
        )["result"]
            .clone();
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        client
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    /// Sends a request without waiting; returns its id.
    pub fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.send(
            &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        );
        id
    }

    /// Returns the next message of the server, which must be JSON on one line.
    pub fn message(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Sends a request and returns its response.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        loop {
            let message = self.message();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool; returns its whole result.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let response = self.request("tools/call", &json!({"name": tool, "arguments": arguments}));
        response["result"].clone()
    }

    /// Calls a tool that answers; returns the answer, which is the same as text.
    pub fn answer(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{result:#}");
        let answer = result["structuredContent"].clone();
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, answer);
        answer
    }

    /// Calls a tool that refuses; returns code and message.
    pub fn refusal(&mut self, tool: &str, arguments: &Value) -> (String, String) {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result:#}");
        assert_eq!(result["structuredContent"], Value::Null);
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        let part = |name: &str| text[name].as_str().unwrap().to_owned();
        (part("code"), part("message"))
    }

    /// Returns the URIs of the hits of a search.
    pub fn found(&mut self, arguments: &Value) -> Vec<String> {
        let answer = self.answer("search", arguments);
        let hits = answer["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["uri"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Closes the server's stdin.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the server; returns how it ended, what it had left to say, and its
    /// stderr.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let status = end_of(&mut self.child, "mcp");
        let (mut rest, mut errors) = (String::new(), String::new());
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut errors).unwrap();
        (status, rest, errors)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
