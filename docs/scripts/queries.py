#!/usr/bin/env python3
"""CPU of a text query, by kinds of queries, with everything held open.

    python3 docs/scripts/queries.py CORPORA PROGRAM=KNOWLEDGE_BASE...

CORPORA is a folder of retrieval corpora (folders with queries.jsonl), whose questions are asked. Each query is
evaluated 11 times and once, and a tenth of the difference is what it costs: `kbingest eval` opens the knowledge
base once. The knowledge base should have some 100,000 chunks of texts that differ: equal copies are folded, which
costs more than it does in life.
"""
import json, pathlib, random, resource, statistics, subprocess, sys, tempfile

TIMES = 10
KINDS = {
    "joined names": ["utf8", "sha256", "UTF-8 encoding", "python3", "nodejs", "wifi", "email address", "64KiB"],
    "misspelt": ["authetnication", "configuraton of the sevrer", "kubernets", "enviroment varible", "databse conection"],
    "no such word": ["zzqxv", "quuxification manager", "florbix", "xylotrope", "brandishment quorl"],
    "names": ["push_back", "std::vec::Vec", "Result<T, E>", "error handling", "async runtime task"],
    "phrases": ['"error handling"', '"the number of"', 'read "file name"'],
}


def questions(corpora):
    for path in sorted(pathlib.Path(corpora).glob("*/queries.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        texts = [line.get("text") or line.get("query") or "" for line in lines]
        texts = [text for text in texts if 0 < len(text) < 120]
        yield from random.sample(texts, min(8, len(texts)))


def cpu(program, knowledge_base, query, times):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for number in range(times):
            relevant = [{"path": "none"}]
            print(json.dumps({"id": str(number), "query": query, "relevant": relevant}), file=file)
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [program, "eval", knowledge_base, file.name, "--mode", "text", "--json"]
        run = subprocess.run(command, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode not in (0, 3):
        sys.exit(run.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def milliseconds(program, knowledge_base, query):
    runs = [cpu(program, knowledge_base, query, TIMES + 1) - cpu(program, knowledge_base, query, 1) for _ in range(2)]
    return max(min(runs), 0) / TIMES * 1000


def main():
    random.seed(7)
    kinds = {"questions": list(questions(sys.argv[1])), **KINDS}
    for pair in sys.argv[2:]:
        program, knowledge_base = pair.split("=", 1)
        total = []
        for kind, queries in kinds.items():
            costs = [(milliseconds(program, knowledge_base, query), query) for query in queries]
            total += [cost for cost, _ in costs]
            worst, query = max(costs)
            median = statistics.median(cost for cost, _ in costs)
            print(f"{program} {kind}: p50 {median:.1f} ms, most {worst:.1f} ms ({query})")
        print(f"{program} all: p50 {statistics.median(total):.1f} ms, p90 {sorted(total)[len(total) * 9 // 10]:.1f} ms")


main()
