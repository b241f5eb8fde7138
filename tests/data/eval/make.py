#!/usr/bin/env python3
"""Makes queries.jsonl, chunks.jsonl and run.jsonl: random rankings of random chunks, biased towards the answers.

expected.json holds the means of all measures over them, as computed by an independent implementation of the
definitions in src/eval/measures.rs (documents: TREC; spans: Chroma's chunking_evaluation).
"""
import json
import random

random.seed(5)
docs = {f"d{i}.md": [(j * 40, j * 40 + random.choice([25, 32, 40])) for j in range(8)] for i in range(9)}
chunks = [{"path": path, "start": s, "end": e} for path, spans in docs.items() for s, e in spans]


def write(name, rows):
    with open(name, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def query(number):
    relevant = []
    for path in random.sample(sorted(docs), random.choice([1, 1, 2, 3])):
        for _ in range(random.choice([1, 1, 2])):
            start = random.randrange(0, 300)
            answer = {"path": path, "start": start, "end": start + random.randrange(1, 30)}
            if random.random() < 0.4:
                answer["grade"] = random.choice([2, 3])
            if number % 4 == 3:
                del answer["start"], answer["end"]
            relevant.append(answer)
    return {"id": str(number), "query": f"query {number}", "relevant": relevant}


def hits(asked):
    found = random.sample(chunks, random.choice([0, 3, 12, 40]))

    def answers(chunk):
        return any(
            chunk["path"] == r["path"] and r.get("start", 0) < chunk["end"] and chunk["start"] < r.get("end", 999)
            for r in asked["relevant"]
        )

    found += random.sample([c for c in chunks if answers(c)], 1) if random.random() < 0.7 else []
    unique = {tuple(c.values()): c for c in found}
    return sorted(unique.values(), key=lambda c: random.random() + (0 if answers(c) else 0.6))


queries = [query(number) for number in range(24)]
write("chunks.jsonl", chunks)
write("queries.jsonl", queries)
write("run.jsonl", [{"id": q["id"], "hits": hits(q)} for q in queries])
