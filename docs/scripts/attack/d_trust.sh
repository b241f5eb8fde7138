#!/usr/bin/env bash
# D: a kb.toml from a stranger that runs programs, sends secrets, or reaches hosts that are not public.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$place" || exit 2
export GITHUB_TOKEN=very-secret
python3 - <<'PYTHON' &
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("asked", "a") as asked:
            asked.write(f"{self.path} {dict(self.headers)}\n")
        self.send_response(404)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open("port.part", "w") as port:
    port.write(str(server.server_port))
os.rename("port.part", "port")
server.timeout = 1
for _ in range(15):
    server.handle_request()
PYTHON
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$place"' EXIT
for _ in $(seq 50); do [ -f port ] && break; sleep 0.1; done
port=$(cat port)

# folder SETTINGS: a fresh folder as received, with these settings.
folder() {
    rm -rf came
    mkdir -p came/docs
    echo "words" >came/docs/a.xyz
    printf '[[source.directory]]\nname = "docs"\npath = "docs"\n%s\n' "$1" >came/kb.toml
}

# refused: the folder is not ingested, and nothing was run or sent.
refused() {
    "$kbingest" ingest --progress none came/kb.toml </dev/null >said 2>&1
    [ $? = 2 ] && [ ! -e "$place/ran" ] && [ ! -e asked ] && [ ! -e came/kb.kb ]
}

folder "[[extract.command]]
match = '*.xyz'
run = ['touch', '$place/ran', '{path}']"
held "a command is not run" refused
held "the list names it" grep -q "touch" said

web="[[source.web]]
name = 'site'
start_urls = ['http://127.0.0.1:$port/']"
folder "$web
private_hosts = ['127.0.0.1']"
held "a host that is not public is not asked" refused
folder "$web
private_hosts = ['127.0.0.1']
headers = ['Authorization=GITHUB_TOKEN']"
held "a variable is not sent in a header" refused
folder "[[source.git]]
name = 'repo'
url = 'http://127.0.0.1:$port/a'
password_env = 'GITHUB_TOKEN'"
held "a variable is not sent as a password" refused
for url in ssh://127.0.0.1:1/a git://127.0.0.1:$port/a http://127.0.0.1:$port/a a@127.0.0.1:b; do
    folder "[[source.git]]
name = 'repo'
url = '$url'"
    held "git does not fetch $url" refused
done

folder "[[extract.command]]
match = '*.xyz'
run = ['./convert.sh', '{path}']"
printf '#!/bin/sh\ncat "$1"\n' >came/convert.sh
chmod +x came/convert.sh
"$kbingest" trust came/kb.toml >/dev/null
printf '#!/bin/sh\ntouch %s/ran\n' "$place" >came/convert.sh
held "a program that changed since it was allowed is not run" refused

folder ""
held "reading a folder needs no leave" "$kbingest" ingest -q came/kb.toml
finish
