#!/usr/bin/env python3
"""Compares the chunks of knowledge bases with those of LangChain's recursive splitter on one set with spans.

    pip install langchain-text-splitters tokenizers
    docs/scripts/splitters.py SET VOCABULARY KB...

SET is a folder with `corpus/` and `queries.jsonl` (see `kbingest eval`), VOCABULARY a WordPiece vocabulary, as
assets/static-en-256/vocab.txt, and each KB a knowledge base of that corpus. The splitter is given the largest chunk of each KB, in
the tokens of that vocabulary, as its size. Prints a row for each: chunks, their mean bytes, and precision-omega in percent (Chroma's
chunking evaluation): the share of an excerpt in all chunks that touch it, the mean over queries. It needs no ranking."""

import json
import os
import sqlite3
import sys

from langchain_text_splitters import RecursiveCharacterTextSplitter
from tokenizers import BertWordPieceTokenizer

SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]


def overlap(a, b):
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


def precision_omega(query, chunks):
    wanted = {}
    for span in query["relevant"]:
        wanted.setdefault(span["path"], []).append((span["start"], span["end"]))
    covered = size = 0
    for path, spans in wanted.items():
        touching = [chunk for chunk in chunks[path] if any(overlap(chunk, span) for span in spans)]
        covered += sum(overlap(chunk, span) for chunk in touching for span in spans)
        size += sum(end - start for start, end in touching)
    needed = sum(end - start for spans in wanted.values() for start, end in spans)
    return covered / (size + needed - covered) if size else 0


def row(name, size, chunks, queries):
    every = [chunk for of_file in chunks.values() for chunk in of_file]
    mean = sum(end - start for start, end in every) / len(every)
    omega = sum(precision_omega(query, chunks) for query in queries) / len(queries)
    print(f"| {size} | {name} | {len(every)} | {mean:.0f} | {100 * omega:.1f} |")


def of_knowledge_base(path):
    chunks = {}
    for uri, start, end in sqlite3.connect(path).execute("SELECT uri, start_byte, end_byte FROM chunks"):
        chunks.setdefault(uri, []).append((start, end))
    return chunks


def recursive(folder, size, count):
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=size, chunk_overlap=0, length_function=count, separators=SEPARATORS, add_start_index=True
    )
    chunks = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        for part in splitter.create_documents([text]):
            start = len(text[: part.metadata["start_index"]].encode())
            chunks.setdefault(name, []).append((start, start + len(part.page_content.encode())))
    return chunks


def main():
    folder, vocabulary, *knowledge_bases = sys.argv[1:]
    with open(os.path.join(folder, "queries.jsonl"), encoding="utf-8") as file:
        queries = [json.loads(line) for line in file]
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=True)

    def count(text):
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    print("| tokens | splitter | chunks | mean bytes | precision-omega |\n| ---: | --- | ---: | ---: | ---: |")
    for path in knowledge_bases:
        sql = "SELECT max(token_count) FROM chunks"
        (size,) = sqlite3.connect(path).execute(sql).fetchone()
        row("kbingest", size, of_knowledge_base(path), queries)
        row("recursive", size, recursive(os.path.join(folder, "corpus"), size, count), queries)


main()
