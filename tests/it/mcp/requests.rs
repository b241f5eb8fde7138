//! The protocol itself: what is no request, what is none that can be answered, and the end.

use serde_json::{Value, json};

use super::client::Client;
use super::harbour;

#[test]
fn a_server_introduces_itself_and_its_tools() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    assert_eq!(client.welcome["serverInfo"]["name"], "kbingest");
    assert_eq!(client.welcome["capabilities"], json!({"tools": {}, "resources": {}}));
    let instructions = client.welcome["instructions"].as_str().unwrap();
    let line = "- harbour (Harbour office): Ask it about ships. 3 documents; sources: \"docs\".\n";
    assert!(instructions.ends_with(line), "{instructions}");
    let tools = client.request("tools/list", &json!({}))["result"]["tools"].clone();
    let mut names = Vec::new();
    for tool in tools.as_array().unwrap() {
        names.push(tool["name"].as_str().unwrap());
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        assert_eq!(tool["annotations"]["openWorldHint"], false, "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        for (name, argument) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(argument["description"].is_string(), "{name}: {argument}");
            assert_eq!(argument["format"], Value::Null, "{name}: {argument}");
        }
    }
    assert_eq!(names, ["search", "read", "list", "status"]);
}

#[test]
fn what_is_no_request_is_survived() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let huge = format!("{{\"jsonrpc\":\"2.0\",\"id\":90,\"method\":\"{}\"}}", "x".repeat(5 << 20));
    for line in ["", "{bad json", "7", "[]", "\u{fffd}\u{0}", "{\"jsonrpc\":\"2.0\"}", &huge] {
        client.send(line);
    }
    assert_eq!(client.found(&json!({"query": "pilot", "k": 1})), ["pilots.md"]);
}

#[test]
fn unknown_methods_and_tools_are_errors_of_the_protocol() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    for (method, params, code) in [
        ("nothing/like/it", json!({}), -32601),
        ("tools/call", json!({"name": "drop", "arguments": {}}), -32602),
        ("prompts/list", json!({}), -32601),
        ("resources/read", json!({"uri": "kb://kb/docs/missing.md"}), -32002),
        ("resources/read", json!({"uri": "kb://other/docs/pilots.md"}), -32002),
        ("resources/read", json!({"uri": "file:///etc/passwd"}), -32002),
        ("resources/list", json!({"cursor": "x"}), -32602),
    ] {
        let response = client.request(method, &params);
        assert_eq!(response["error"]["code"], code, "{method} {params}: {response}");
    }
}

#[test]
fn arguments_that_are_wrong_are_for_the_model_to_correct() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    let huge = "word ".repeat(10_000);
    for (tool, arguments, code, message) in [
        ("search", json!({}), "bad_request", "missing field `query`"),
        ("search", json!({"query": 7}), "bad_request", "invalid type: integer `7`"),
        ("search", json!({"query": "a", "limit": 3}), "bad_request", "unknown field `limit`"),
        ("search", json!({"query": "a", "k": -1}), "bad_request", "invalid value: integer `-1`"),
        ("search", json!({"query": "a", "k": 0}), "bad_request", "k is 0"),
        ("search", json!({"query": "a", "k": 101}), "bad_request", "k is 101"),
        ("search", json!({"query": "a", "mode": "best"}), "bad_request", "unknown variant `best`"),
        ("search", json!({"query": " "}), "bad_request", "query is empty"),
        ("search", json!({"query": huge}), "bad_request", "at most 16384 are allowed"),
        ("search", json!({"query": "a", "path": ["[a"]}), "bad_request", "a glob is needed"),
        ("search", json!({"query": "a", "after": "soon"}), "bad_request", "is no day"),
        ("search", json!({"query": "a", "max_tokens": 1}), "bad_request", "max_tokens is 1"),
        ("search", json!({"query": "a", "kb": "x"}), "unknown_kb", "there is \"harbour\""),
        ("search", json!({"query": "a", "source": "x"}), "unknown_source", "sources are \"docs\""),
        ("read", json!({"uri": "missing.md"}), "not_found", "harbour has no document missing.md"),
        ("read", json!({"uri": "rules.md", "start_line": 9999}), "bad_request", "the last line"),
        (
            "read",
            json!({"uri": "rules.md", "start_line": 3, "end_line": 2}),
            "bad_request",
            "after",
        ),
        ("read", json!({"uri": "rules.md", "from_passage": 999}), "bad_request", "last passage is"),
        ("list", json!({"cursor": "kb://x/docs/a"}), "bad_request", "`next_cursor`"),
        ("list", json!({"limit": 0}), "bad_request", "limit is 0"),
        ("status", json!({"kb": "x"}), "unknown_kb", "there is no knowledge base \"x\""),
    ] {
        let (known, text) = client.refusal(tool, &arguments);
        assert_eq!(known, code, "{tool}: {text}");
        assert!(text.contains(message), "{tool}: {text}");
    }
}

#[test]
fn a_cancelled_request_has_at_most_one_response_and_the_next_is_answered() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let asked = client.ask("tools/call", &json!({"name": "search", "arguments": {"query": "a"}}));
    for id in [json!(asked), json!(12345), json!("never")] {
        let params = json!({"requestId": id, "reason": "no longer needed"});
        let method = "notifications/cancelled";
        client.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }
    let last = client.ask("tools/list", &json!({}));
    client.hang_up();
    let (status, rest, _) = client.end();
    assert!(status.success(), "{status}");
    let ids: Vec<Value> = rest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids.iter().filter(|id| **id == last).count(), 1, "{ids:?}");
    assert!(ids.iter().filter(|id| **id == asked).count() <= 1, "{ids:?}");
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let place = harbour();
    let mut client = Client::of(&[&place.kb()]);
    let mut waiting: Vec<u64> = (0..100)
        .map(|number| {
            let query = format!("mooring {number}");
            client.ask("tools/call", &json!({"name": "search", "arguments": {"query": query}}))
        })
        .collect();
    while !waiting.is_empty() {
        let message = client.message();
        assert_eq!(message["result"]["isError"], false, "{message}");
        waiting.retain(|id| message["id"] != *id);
    }
}

#[test]
fn it_ends_when_the_client_hangs_up_and_at_a_signal() {
    let place = harbour();
    for signal in [None, Some(rustix::process::Signal::TERM), Some(rustix::process::Signal::INT)] {
        let mut client = Client::of(&[&place.kb()]);
        match signal {
            Some(signal) => client.signal(signal),
            None => client.hang_up(),
        }
        let (status, rest, errors) = client.end();
        assert!(status.success(), "{signal:?}: {status}");
        assert_eq!((rest.as_str(), errors.as_str()), ("", ""), "{signal:?}");
    }
}
