#!/usr/bin/env python3
"""Ingests damaged files and many mixed ones, as docs/formats.md describes.

    docs/scripts/formats.py CORPORA [KBINGEST]

CORPORA is the folder that the tests read as KBINGEST_CORPORA; its formats/pairs.jsonl names the files. Each of them is
cut off at five places, and has 20 bytes flipped; they are ingested beside the good ones. Then 1,000 copies of the good
ones are. Ends with 1 where a good file is missing, a limit is passed or a process is left behind. Linux only.
"""

import collections
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

MEMORY_MAX_MIB = 512
MIXED = 1_000
RUNS = 3

SETTINGS = """[kb]
path = "kb.kb"
[[source.directory]]
name = "docs"
path = "docs"
"""


def inputs(corpora):
    """Returns names and bytes of the files; those of CommonMark and GFM are Markdown of a few bytes each."""
    root = os.path.join(corpora, "formats")
    files = {}
    with open(os.path.join(root, "pairs.jsonl"), encoding="utf-8") as pairs:
        for pair in map(json.loads, pairs):
            if pair["suite"] not in ("commonmark", "gfm"):
                with open(os.path.join(root, pair["input"]), "rb") as file:
                    files[pair["input"].replace("/", "_")] = file.read()
    return files


def damaged(name, content):
    """Returns the damaged forms of a file by their names."""
    forms = {f"cut-{tenth}-{name}": content[: len(content) * tenth // 10] for tenth in (1, 3, 5, 7, 9)}
    flipped, dice = bytearray(content), random.Random(name)
    for _ in range(20 if content else 0):
        flipped[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    forms[f"flipped-{name}"] = bytes(flipped)
    return forms


def ingest(kbingest, files):
    """Ingests the files into a new knowledge base; returns the result."""
    folder = tempfile.mkdtemp(prefix="kbingest-formats-")
    try:
        for name, content in files.items():
            path = os.path.join(folder, "docs", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        with open(os.path.join(folder, "kb.toml"), "w", encoding="utf-8") as file:
            file.write(SETTINGS)
        # Every process of the run can be recognised by this.
        mark = f"KBINGEST_RUN={folder}"
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        run = subprocess.run(
            [kbingest, "ingest", "--json", os.path.join(folder, "kb.toml")],
            env={**os.environ, "KBINGEST_RUN": folder}, capture_output=True, check=False,
        )
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        left = processes_with(mark)
        report = json.loads(run.stdout)
        with sqlite3.connect(os.path.join(folder, "kb.kb")) as kb:
            uris = {uri for (uri,) in kb.execute("SELECT DISTINCT uri FROM chunks")}
        return {
            "exit": run.returncode,
            "seconds": seconds,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            # Of all children so far, grandchildren included.
            "mib": after.ru_maxrss / 1024,
            "left": left,
            "failures": report["failures"],
            "uris": uris,
        }
    finally:
        shutil.rmtree(folder)


def processes_with(mark):
    """Returns the processes whose environment contains the mark."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark.encode() in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def main():
    corpora = sys.argv[1]
    kbingest = sys.argv[2] if len(sys.argv) > 2 else "kbingest"
    files = inputs(corpora)
    good = {f"good/{name}": content for name, content in files.items()}
    broken = {f"bad/{name}": form for file in files.items() for name, form in damaged(*file).items()}
    alone = ingest(kbingest, good)
    both = ingest(kbingest, {**good, **broken})
    missing = alone["uris"] - both["uris"]
    kinds = collections.Counter(failure["kind"] for failure in both["failures"])
    print(f"{len(broken)} damaged and {len(good)} good files: exit {both['exit']}, {both['seconds']:.1f} s, "
          f"at most {both['mib']:.0f} MiB in a process, {len(missing)} good files missing, "
          f"{len(both['left'])} processes left; {dict(kinds)}")

    names = list(files)
    mixed = {f"{index}/{names[index % len(names)]}": files[names[index % len(names)]] for index in range(MIXED)}
    endings = len({name.rsplit(".", 1)[-1] for name in names})
    size = sum(map(len, mixed.values())) / 1e6
    for _ in range(RUNS):
        run = ingest(kbingest, mixed)
        print(f"{MIXED} mixed files, {endings} endings, {size:.0f} MB: {run['seconds']:.2f} s, "
              f"{run['cpu']:.2f} s of processor time, {run['cpu'] / run['seconds']:.1f} cores")

    is_right = both["exit"] == 3 and not missing and not both["left"] and both["mib"] <= MEMORY_MAX_MIB
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
