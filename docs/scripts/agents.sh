#!/bin/sh
# Asks `kbingest mcp`, and `kbingest serve` at /mcp, with the reference clients of the protocol: sh docs/scripts/agents.sh [KBINGEST]
# The client from PyPI (`mcp`, in a virtual environment of its own) compares every answer with its schema; the inspector from npm
# (`@modelcontextprotocol/inspector --cli`) is asked if npx is installed. Also starts what the block for .mcp.json in docs/agents.md names.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
kbingest=$(cd "$(dirname "${1:-$here/target/release/kbingest}")" && pwd)/kbingest
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cp -r "$here/examples/handbook/docs" "$work/docs"
cat > "$work/kb.toml" << 'TOML'
[kb]
path = "handbook.kb"
title = "Handbook"
description = "How a team works."
[[source.directory]]
name = "docs"
path = "docs"
TOML
"$kbingest" ingest -q "$work/kb.toml"
: > "$work/log"
"$kbingest" serve --port 0 "$work/kb.toml" 2> "$work/log" &
server=$!
until grep -q listening "$work/log"; do kill -0 "$server"; sleep 0.1; done
url=$(sed -n 's/^listening on //p' "$work/log")/mcp

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q mcp
# What an agent's program reads, with the paths of this machine.
awk '/^```json$/ { json = 1; next } /^```$/ { if (json) exit } json' "$here/docs/agents.md" > "$work/mcp.json"
cat > "$work/ask.py" << 'PYTHON'
import asyncio, json, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

kbingest, kb, configuration, url = sys.argv[1:]


async def main():
    server = json.load(open(configuration))["mcpServers"]["handbook"]
    arguments = [kb if part.startswith("/srv/kb/") else part for part in server["args"]]
    await use("stdio", stdio_client(StdioServerParameters(command=kbingest, args=arguments)))
    await use("http", streamable_http_client(url))


async def use(transport, client):
    async with client as (read, write, *_), ClientSession(read, write) as session:
        welcome = await session.initialize()
        assert "handbook" in welcome.instructions, welcome.instructions

        def plain(result):  # Names as in the protocol, whatever they are in this version of the client.
            return result.model_dump(by_alias=True, mode="json")

        tools = (await session.list_tools()).tools
        assert [tool.name for tool in tools] == ["search", "read", "list", "status"]

        async def ask(tool, **arguments):
            result = plain(await session.call_tool(tool, arguments))
            assert not result["isError"], result
            return result["structuredContent"]

        hits = (await ask("search", query="how do I undo a release?", k=3))["hits"]
        assert hits and all(hit["text"] for hit in hits)
        document = await ask("read", uri=hits[0]["resource"])
        assert hits[0]["text"] in document["text"]
        assert (await ask("read", uri=hits[0]["resource"], outline=True))["outline"]
        listed = await ask("list", limit=5)
        assert len(listed["documents"]) == 5 and listed["next_cursor"]
        assert (await ask("status"))["knowledge_bases"][0]["last_run"] == "completed"
        wrong = plain(await session.call_tool("search", {"query": 7}))
        assert wrong["isError"], wrong
        resources = (await session.list_resources()).resources
        read = await session.read_resource(resources[0].uri)
        assert read.contents[0].text
        assert plain(await session.list_resource_templates())["resourceTemplates"]
        many = await asyncio.gather(*[ask("search", query=f"release {n}") for n in range(50)])
        assert len(many) == 50
        print(f"mcp from PyPI, {transport}: {len(tools)} tools, {len(resources)} resources, best hit {hits[0]['uri']}")


asyncio.run(main())
PYTHON
"$work/venv/bin/python" "$work/ask.py" "$kbingest" "$work/handbook.kb" "$work/mcp.json" "$url"

command -v npx > /dev/null || { echo "skipped: npx is not installed, so the inspector is not asked"; exit 0; }
# Asks the server that the first arguments name, a command or a URL.
inspect() {
    npx --yes @modelcontextprotocol/inspector --cli "$@" --method tools/list > "$work/tools.json"
    npx --yes @modelcontextprotocol/inspector --cli "$@" --method tools/call --tool-name search --tool-arg query="undo a release" \
        > "$work/hits.json"
    python3 - "$work/tools.json" "$work/hits.json" << 'PYTHON'
import json, sys
tools, hits = (json.load(open(name)) for name in sys.argv[1:])
print(f"inspector from npm: {len(tools['tools'])} tools, best hit {hits['structuredContent']['hits'][0]['uri']}")
PYTHON
}
inspect "$kbingest" mcp "$work/kb.toml"
inspect "$url" --transport http
