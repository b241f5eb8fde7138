#!/usr/bin/env bash
# B: a crawled server: it asks for headers of another origin, has endless links and sitemaps, a large
# robots.txt, failing pages before good ones. Secrets in URLs and proxies are not shown.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cat > "$place/server.py" <<'PYTHON'
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = open(sys.argv[1], "a", buffering=1)
ports = []

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, mine = self.path, self.server.server_address[1]
        log.write(f"{mine} {path} {self.headers.get('Authorization', '-')}\n")
        site = path.split("/")[1]
        root, other = f"http://127.0.0.1:{mine}", f"http://127.0.0.1:{ports[1]}"
        status, kind, body = 200, "text/html", ""
        if path == "/robots.txt":
            kind, body = "text/plain", "User-agent: *\nDisallow: /robots/private\n"
            body += "# a comment\n" * 60000 + "Allow: /\n"
        elif path.endswith("map.xml"):
            kind = "text/xml"
            maps = (f"<sitemap><loc>{root}{path}{n}-map.xml</loc></sitemap>" for n in range(1500))
            body = "<sitemapindex>" + "".join(maps) + "</sitemapindex>"
        elif "not-there" in path or path == "/llms.txt":
            status = 404
        elif path == "/headers/":
            body = f"<p>Start.</p><a href='{other}/headers/a'>a</a>"
        elif path == "/robots/":
            body = "<p>Start.</p><a href='private'>private</a>"
        elif path == "/failing/":
            names = [f"bad{n}" for n in range(80)] + ["good"]
            body = "<p>Start.</p>" + "".join(f"<a href='{name}'>{name}</a>" for name in names)
        elif path.startswith("/failing/bad"):
            status = 500
        elif site == "links":
            name = path.rsplit("/", 1)[1]
            word = lambda n: "".join(chr(97 + n // 26 ** p % 26) for p in range(3))
            links = "".join(f"<a href='/links/{name[-40:]}-{word(n)}'>x</a>" for n in range(1000))
            body = f"<p>The page {path}.</p>{links}"
        else:
            body = f"<p>The page {path}.</p>"
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
ports += [server.server_address[1] for server in servers]
for server in servers:
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
with open(sys.argv[2], "w") as file:
    file.write(f"{ports[0]} {ports[1]}\n")
threading.Event().wait(60)
PYTHON
python3 "$place/server.py" "$place/log" "$place/ports" 2> /dev/null &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$place"' EXIT
for _ in $(seq 100); do [ -s "$place/ports" ] && break; sleep 0.05; done
read -r own other < "$place/ports"

# crawl SITE KEYS: crawls one site of the server for at most 8 s; sets code, said and kb.
crawl() {
    local folder=$place/$1
    mkdir -p "$folder"
    kb=$folder/kb.kb
    printf '[kb]\npath = "kb.kb"\n[[source.web]]\nname = "site"\nstart_urls = ["http://127.0.0.1:%s/%s/"]\nprivate_hosts = ["127.0.0.1"]\nrequests_per_second = 1000\n%s\n[embed.hash]\ndim = 16\n' \
        "$own" "$1" "$2" > "$folder/kb.toml"
    said=$(within 20 3000 timeout 8 "$kbingest" ingest --progress none $trust "$folder/kb.toml" 2>&1)
    code=$?
}
# If kb.toml has to be trusted before it may name variables and hosts, these are ours.
trust=
"$kbingest" ingest --help 2>&1 | grep -q -- --trust && trust=--trust
count() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' "$kb" "$1"; }

export ATTACK_SECRET="Bearer hush"
crawl headers 'same_host = false
headers = ["Authorization=ATTACK_SECRET"]'
asked_without() { grep -q "^$own /headers/ Bearer hush" "$place/log" && grep -q "^$other /headers/a" "$place/log" &&
    ! grep "^$other " "$place/log" | grep -q hush; }
held "headers go to the origin of the start url only" asked_without

crawl links 'max_pages = 20'
bounded() { [ "$code" = 4 ] && [ "$(count 'SELECT COUNT(*) FROM frontier')" -le 4000 ]; }
held "links without end are bounded, and it is said" bounded

crawl maps "sitemaps = [\"http://127.0.0.1:$own/map.xml\"]
max_concurrency = 8"
maps() { [ "$(grep -c 'map.xml' "$place/log")" -le 1010 ] && [ "$code" = 4 ]; }
held "sitemap indexes without end are bounded, and it is said" maps

crawl robots ''
obeyed() { [ "$code" = 0 ] && ! grep -q "/robots/private" "$place/log"; }
held "the first part of a large robots.txt is obeyed" obeyed

for _ in 1 2 3; do crawl failing ''; done
taken() { [ "$code" = 20 ] && [ "$(count "SELECT COUNT(*) FROM document WHERE uri LIKE '%/good'")" = 1 ]; }
held "pages behind failing ones are ingested" taken

user=me:hush@
sed -i "s#http://#&$user#" "$place/robots/kb.toml"
said=$("$kbingest" ingest "$place/robots/kb.toml" 2>&1)
silent() { [ -n "$said" ] && ! grep -q hush <<< "$said"; }
held "a password in kb.toml is not shown" silent
crawl robots ''
said=$(http_proxy="ftp:/""/me:hush@proxy:1" "$kbingest" ingest $trust "$place/robots/kb.toml" 2>&1)
held "a password of a proxy is not shown" silent
finish
