#!/bin/sh
# Repeats the table of models in docs/models.md: sh docs/scripts/models.sh CORPORA [KBINGEST] ['MODEL LINES' ...]
#
# Each further argument is what a kb.toml says after `[embed.…]`; without any: the built-in model. Needs jq, and GNU time for CPU.
set -eu
. "$(dirname "$0")/sets.sh"
[ $# -gt 1 ] && shift 2 || shift 1
[ $# -gt 0 ] || set -- '[embed.builtin]'

# measure TABLE SET: ingests a set, and prints a row
measure() {
    printf '[kb]\npath = "%s.kb"\n[[source.directory]]\nname = "corpus"\npath = "%s"\n%s\n' "$2" "$corpora/$2/corpus" "$1" > "$work/$2.toml"
    rm -f "$work/$2.kb"*
    env time -f '%U %S %M' -o "$work/time" "$kbingest" ingest -q --trust "$work/$2.toml" >&2
    read -r user system memory < "$work/time"
    "$kbingest" status --json "$work/$2.toml" | jq -r '.statistics.chunks' > "$work/chunks"
    "$kbingest" eval --json --trust "$work/$2.toml" "$corpora/$2/queries.jsonl" > "$work/eval.json"
    mode() { jq -r --arg mode "$1" '.modes[] | select(.mode == $mode) | .metrics["ndcg@10"] * 10000 | round / 10000' "$work/eval.json"; }
    rate=$(awk -v chunks="$(cat "$work/chunks")" -v seconds="$(awk "BEGIN { print $user + $system }")" 'BEGIN { printf "%.0f", chunks / seconds }')
    echo "| $2 | $(cat "$work/chunks") | $rate | $((memory / 1024)) | $(mode text) | $(mode vector) | $(mode hybrid) |"
}

for table in "$@"; do
    echo "$table"
    echo
    echo '| set | chunks | chunks per CPU second | MiB | text | vector | hybrid |'
    echo '|---|---:|---:|---:|---:|---:|---:|'
    for set in "$corpora"/*/; do
        measure "$table" "$(basename "$set")"
    done
    echo
done
