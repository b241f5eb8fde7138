#!/usr/bin/env python3
"""Crawls a folder of HTML from loopback, as docs/web.md describes: is every page found, what does a second run cost, and
does a crawl that is killed again and again end like any other?

    docs/scripts/crawl.py FOLDER [--start PATH] [--kills N] [--kbingest PROGRAM] [--keep]

Such a folder is in packages of documentation: `apt-get download sqlite3-doc && dpkg -x sqlite3-doc*.deb .`. The server
answers with ETag and 304, and counts. The pages that links reach are found independently, with Python's own parser.
Ends with 1 if a page is missing, if the second run reads one again, or if the killed crawls end differently."""

import argparse
import collections
import hashlib
import html.parser
import http.server
import json
import mimetypes
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

SETTINGS = """[kb]
path = "{kb}"
[[source.web]]
name = "site"
start_urls = ["{start}"]
private_hosts = ["127.0.0.1"]
requests_per_second = {rate}
max_pages = 100000
max_per_folder = 100000
[embed.hash]
dim = 64
"""


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; `asked` counts requests by status and path."""

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = os.path.realpath(root)
        self.asked = collections.Counter()
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """A client that is killed is no error."""

    def take(self):
        with self.lock:
            asked, self.asked = self.asked, collections.Counter()
        return asked

    def file(self, path):
        """The file at the path of a URL; None if there is none."""
        path = urllib.parse.unquote(path)
        file = os.path.realpath(os.path.join(self.root, path.lstrip("/")))
        if os.path.isdir(file) and path.endswith("/"):
            file = os.path.join(file, "index.html")
        # Debian's links may lead out of the folder, but not out of their package.
        return file if os.path.isfile(file) and "\0" not in file else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        path = self.path.split("?")[0]
        file = self.server.file(path)
        folder = os.path.join(self.server.root, urllib.parse.unquote(path).lstrip("/"))
        if file is None and os.path.isdir(folder):
            return self.answer(301, b"", {"Location": path + "/"})
        if file is None:
            return self.answer(404, b"<h1>Not Found</h1>", {"Content-Type": "text/html"})
        with open(file, "rb") as source:
            body = source.read()
        etag = '"%s"' % hashlib.sha256(body).hexdigest()[:20]
        media_type = media_type_of(file)
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, None, {"ETag": etag})
        return self.answer(200, body, {"ETag": etag, "Content-Type": media_type})

    def answer(self, status, body, headers):
        with self.server.lock:
            self.server.asked[status, self.path] += 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def media_type_of(file):
    # Apache's pages in several languages: index.html.en.
    names = [file, os.path.splitext(file)[0]] if ".html." in os.path.basename(file) else [file]
    return next((it for it in map(lambda name: mimetypes.guess_type(name)[0], names) if it), "application/octet-stream")


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.base, self.follow = [], None, True
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("a", "area") and attributes.get("href") is not None:
            self.found.append(attributes["href"])
        elif tag in ("frame", "iframe") and attributes.get("src"):
            self.found.append(attributes["src"])
        elif tag == "base" and attributes.get("href"):
            self.base = attributes["href"]
        elif tag == "meta" and (attributes.get("name") or "").lower() == "robots":
            self.follow = "nofollow" not in (attributes.get("content") or "").lower()


def reachable(server, start):
    """The paths of all pages of HTML that links reach from `start`, inside its folder."""
    origin = "http://127.0.0.1:%d" % server.server_port
    folder = start.rsplit("/", 1)[0] + "/"
    pages, waiting, met = set(), [start], {start}
    while waiting:
        path = waiting.pop()
        file = server.file(path)
        if file is None or media_type_of(file) != "text/html":
            continue
        pages.add(path)
        with open(file, "rb") as source:
            links = Links(source.read().decode("utf-8", "replace"))
        base = urllib.parse.urljoin(origin + path, links.base or "")
        for link in links.found if links.follow else []:
            try:
                url = urllib.parse.urlsplit(urllib.parse.urljoin(base, link.strip()))
            except ValueError:
                continue
            if "%s://%s" % (url.scheme, url.netloc) != origin or not url.path.startswith(folder):
                continue
            path = urllib.parse.quote(urllib.parse.unquote(url.path))
            if server.file(path) is None and server.file(path + "/") is not None:
                path += "/"
            if path not in met:
                met.add(path)
                waiting.append(path)
    return pages


def dump(kb):
    """What a knowledge base contains, without ids and times."""
    connection = sqlite3.connect("file:%s?mode=ro" % urllib.parse.quote(kb), uri=True)
    rows = []
    # A page is fetched in its first run, and unchanged in others.
    for sql in (
        "SELECT source, uri, title, heading_path, ordinal, start_byte, end_byte, key, text, hex(embedding) FROM chunks"
        " LEFT JOIN vector ON chunk_id = id",
        "SELECT document.source, document.uri, revision.title, revision.metadata, content.text FROM document"
        " LEFT JOIN revision ON document_id = document.id AND state = 'live' LEFT JOIN content ON content.id = content_id",
        "SELECT url, replace(state, 'unchanged', 'fetched'), reason, etag FROM frontier",
        "SELECT count(*) FROM queue",
    ):
        rows += sorted(map(repr, connection.execute(sql)))
    connection.close()
    return rows


class Crawl:
    """A knowledge base in a folder of its own."""

    def __init__(self, program, folder, name, start, rate):
        self.program = program
        self.kb = os.path.join(folder, name + ".kb")
        self.toml = os.path.join(folder, name + ".toml")
        with open(self.toml, "w") as toml:
            toml.write(SETTINGS.format(kb=self.kb, start=start, rate=rate))

    def command(self, *words):
        return [self.program, *words, "-q", self.toml]

    def run(self, *words):
        since = time.monotonic()
        ended = subprocess.run(self.command(*words), capture_output=True, text=True)
        return ended, time.monotonic() - since

    def states(self):
        pages = json.loads(self.run("pages", "--json")[0].stdout)["pages"]
        return {urllib.parse.urlsplit(page["url"]).path: page for page in pages}


def shown(asked):
    total = sum(asked.values())
    by_status = collections.Counter()
    for (status, _), count in asked.items():
        by_status[status] += count
    return "%d requests (%s)" % (total, ", ".join("%d: %d" % it for it in sorted(by_status.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--start", default="/index.html", help="path of the first page")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kbingest", default="kbingest", help="the program")
    parser.add_argument("--keep", action="store_true", help="keep the knowledge bases")
    options = parser.parse_args()
    server = Server(options.folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start = "http://127.0.0.1:%d%s" % (server.server_port, options.start)
    folder = tempfile.mkdtemp(prefix="crawl-")
    failures = []

    def check(holds, what):
        print(("ok: " if holds else "FAILED: ") + what)
        if not holds:
            failures.append(what)

    try:
        expected = reachable(server, options.start)
        print("%d pages that links reach" % len(expected))
        crawl = Crawl(options.kbingest, folder, "whole", start, 1000)
        ended, seconds = crawl.run("ingest", "--trust")
        print("first run: %s, %.1f s, exit code %d" % (shown(server.take()), seconds, ended.returncode))
        print(ended.stderr, end="")
        states = crawl.states()
        found = {path for path, page in states.items() if page["state"] in ("fetched", "redirected", "unchanged")}
        missing = sorted(expected - found)
        for path in missing[:20]:
            print("  %s: %s" % (path, states.get(path)))
        check(not missing, "%d of %d pages found" % (len(expected) - len(missing), len(expected)))
        whole = dump(crawl.kb)

        ended, seconds = crawl.run("ingest", "--trust")
        asked = server.take()
        print("second run: %s, %.1f s, exit code %d" % (shown(asked), seconds, ended.returncode))
        again = sorted(path for (status, path) in asked if status == 200)
        check(not again, "no page is read again %s" % again[:5])
        dead = sorted(path for (status, path) in asked if status == 404 and "kbingest" not in path)
        check(not dead, "nothing that is missing is requested again %s" % dead[:5])

        check(kills(options, folder, start, len(expected), whole), "after %d kills the same" % options.kills)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    return 1 if failures else 0


def kills(options, folder, start, pages, whole):
    """Kills a crawl at random times, resumes it each time, and compares how it ends."""
    # Slow enough for all kills.
    crawl = Crawl(options.kbingest, folder, "killed", start, max(20, pages // 20))
    chance = random.Random(1)
    done = 0
    while done < options.kills:
        words = ["resume" if done and chance.random() < 0.5 else "ingest", "--trust"]
        child = subprocess.Popen(crawl.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(timeout=chance.uniform(0.05, 1.2))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            done += 1
            continue
        # It was complete, or had not begun: the next one is killed.
        if child.returncode != 0:
            print("  %s ended with %d" % (words[0], child.returncode))
            return False
    ended, _ = crawl.run("ingest", "--trust")
    sound, _ = crawl.run("check")
    left, right = collections.Counter(dump(crawl.kb)), collections.Counter(whole)
    for row in list((left - right).elements())[:5]:
        print("  only after kills: " + row[:500])
    for row in list((right - left).elements())[:5]:
        print("  only without: " + row[:500])
    same = left == right
    print("  last run: exit code %d; check: %d" % (ended.returncode, sound.returncode))
    return ended.returncode == 0 and sound.returncode == 0 and same


if __name__ == "__main__":
    sys.exit(main())
