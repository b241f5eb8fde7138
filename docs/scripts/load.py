#!/usr/bin/env python3
"""`kbingest serve` under load: times of searches, memory, and reads beside runs.

    python3 docs/scripts/load.py [KBINGEST] [--chunks 100000] [--queries 100000] [--seconds 300] [--clients 8]

Makes a knowledge base of random text (words of the built-in model's vocabulary, as frequent as words are) in a
temporary folder, serves it, and lets clients with a connection each ask at the same time:

1. hybrid searches, each once: median and 99th percentile of the time from request to answer, and the server's memory
   (resident set) after the first tenth and after all;
2. for some seconds, documents chunk by chunk, while runs replace them: every chunk of an answer must be of one version.

Fails if the median is over 40 ms, if memory grows by more than a tenth, or if an answer mixes versions. The clients
run on the same cores as the server.
"""
import argparse, http.client, itertools, json, pathlib, random, re, statistics, subprocess, sys, tempfile, threading, time, urllib.parse

MEDIAN_MS = 40
GROWTH = 1.1
DOCUMENTS = 50  # that runs replace
SECTIONS = 40  # of each of them
CHUNK_WORDS = 200  # Two such sections do not fit in a chunk
root = pathlib.Path(__file__).resolve().parents[2]


def vocabulary():
    words = (root / "assets/static-en-256/vocab.txt").read_text().split()
    return [word for word in words if word.isascii() and word.isalpha() and len(word) > 1]


class Words:
    """Words with the frequencies of their ranks (Zipf)."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = vocabulary()
        self.weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(self.words))))

    def text(self, count):
        return " ".join(self.random.choices(self.words, cum_weights=self.weights, k=count))


def write_corpus(folder, chunks):
    words = Words(1)
    for number in range(0, chunks, 10):
        below = folder / f"part-{number // 1000}"
        below.mkdir(parents=True, exist_ok=True)
        sections = (f"## {words.text(3)}\n\n{words.text(CHUNK_WORDS)}.\n" for _ in range(10))
        (below / f"page-{number}.md").write_text(f"# {words.text(3)}\n\n" + "\n".join(sections))


def write_versions(folder, version):
    folder.mkdir(exist_ok=True)
    for number in range(DOCUMENTS):
        sections = (f"## Part {part}\n\nIt is of version-{version}. Document {number}.\n\n" for part in range(SECTIONS))
        (folder / f"{number}.md").write_text(f"# Document {number}\n\n" + "".join(sections))


def at_once(clients, work):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:500])
        return body


def memory_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def search(address, pid, clients, queries):
    times, lock, numbers = [], threading.Lock(), itertools.count()
    memory = {}

    def work(seed):
        words, client, own = Words(1000 + seed), Client(address), []
        while (number := next(numbers)) < queries:
            if number == queries // 10:
                memory["before"] = memory_mb(pid)
            query = urllib.parse.quote(words.text(words.random.randint(2, 6)))
            began = time.perf_counter()
            client.get(f"/search?q={query}")
            own.append(time.perf_counter() - began)
        with lock:
            times.extend(own)

    began = time.perf_counter()
    at_once(clients, work)
    seconds = time.perf_counter() - began
    parts = statistics.quantiles(times, n=100)
    after = memory_mb(pid)
    print(f"{len(times):,} hybrid searches by {clients} clients: {len(times) / seconds:.0f} a second, "
          f"median {parts[49] * 1000:.1f} ms, 99 % within {parts[98] * 1000:.1f} ms")
    print(f"memory of the server: {memory['before']:.0f} MB after a tenth of them, {after:.0f} MB after all")
    return parts[49] * 1000 <= MEDIAN_MS and after <= memory["before"] * GROWTH


def read(address, clients, seconds, rewrite):
    end, lock = time.monotonic() + seconds, threading.Lock()
    total, mixed, versions = 0, [], set()

    def work(seed):
        nonlocal total
        pick, client, count, seen = random.Random(seed), Client(address), 0, set()
        while time.monotonic() < end:
            body = client.get(f"/chunks/load/versions/{pick.randrange(DOCUMENTS)}.md")
            at = body.index(b"version-")
            version = body[at:body.index(b".", at) + 1]
            if not body.count(version) == body.count(b"version-") == SECTIONS:
                mixed.append(body)
            seen.add(version)
            count += 1
        with lock:
            total += count
            versions.update(seen)

    runs = 0

    def work_or_rewrite(number):
        nonlocal runs
        if number < clients:
            return work(number)
        while time.monotonic() < end:
            runs += 1
            rewrite(runs)

    at_once(clients + 1, work_or_rewrite)
    print(f"{total:,} reads of {SECTIONS} chunks beside {runs} runs in {seconds} s: "
          f"{len(versions)} versions seen, {len(mixed)} answers mix two")
    return not mixed and len(versions) > 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kbingest", nargs="?", default=root / "target/release/kbingest")
    for name, default in [("chunks", 100_000), ("queries", 100_000), ("seconds", 300), ("clients", 8)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    kbingest = pathlib.Path(asked.kbingest).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sources = "".join(f"[[source.directory]]\nname = '{name}'\npath = '{name}'\n" for name in ["corpus", "versions"])
        (folder / "kb.toml").write_text(f"[kb]\npath = 'load.kb'\n{sources}")
        write_corpus(folder / "corpus", asked.chunks)
        write_versions(folder / "versions", 0)
        ingest = [kbingest, "ingest", "--quiet", folder / "kb.toml"]
        subprocess.run(ingest, check=True)
        server = subprocess.Popen([kbingest, "serve", "--port", "0", folder / "kb.toml"], stderr=subprocess.PIPE, text=True)
        try:
            address = server.stderr.readline().strip().removeprefix("listening on http://")
            status = json.loads(Client(address).get("/status"))["knowledge_bases"][0]["statistics"]
            print(f"{status['documents']:,} documents, {status['chunks']:,} chunks")

            def rewrite(version):
                write_versions(folder / "versions", version)
                subprocess.run(ingest, check=True)

            is_fast = search(address, server.pid, asked.clients, asked.queries)
            is_whole = read(address, asked.clients, asked.seconds, rewrite)
        finally:
            server.terminate()
            server.wait()
    sys.exit(0 if is_fast and is_whole else 1)


if __name__ == "__main__":
    main()
