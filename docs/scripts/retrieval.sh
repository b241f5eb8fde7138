#!/bin/sh
# Repeats the tables of docs/retrieval.md: sh docs/scripts/retrieval.sh CORPORA [KBINGEST]
set -eu
. "$(dirname "$0")/sets.sh"

# make SET TOKENS: ingests the set, cut at TOKENS, and puts its evaluation into $work/report.json
make() {
    configure "$1-$2" "$corpora/$1/corpus" chunk "max_tokens = $2"
    "$kbingest" ingest -q "$work/$1-$2.toml" >&2
    "$kbingest" eval --json "$work/$1-$2.toml" "$corpora/$1/queries.jsonl" > "$work/report.json"
}

echo '| set | queries | measure | text | vector | hybrid | hybrid - text, 95 % |'
echo '| --- | ---: | --- | ---: | ---: | ---: | --- |'
for set in "$corpora"/*/; do
    set=$(basename "$set")
    make "$set" 256
    jq -r --arg set "$set" '
        def round(n): . * n | round / n;
        . as $report
        | ("ndcg@10", "span_recall@5") as $metric
        | select(.modes[0].metrics[$metric] != null)
        | (reduce .modes[] as $mode ({}; .[$mode.mode] = $mode.metrics[$metric])) as $of
        | ($report.differences[] | select(.metric == $metric and .of == "hybrid" and .against == "text")) as $d
        | "| \($set) | \($report.queries) | \($metric) | \($of.text | round(10000)) | \($of.vector | round(10000)) | \($of.hybrid | round(10000)) | \($d.mean | round(10000)) [\($d.low | round(10000)), \($d.high | round(10000))] |"
    ' "$work/report.json"
done

echo
echo '| tokens | mode | recall | precision | precision-omega | IoU |'
echo '| ---: | --- | ---: | ---: | ---: | ---: |'
for tokens in 200 256 300 400; do
    make chunking-3 "$tokens"
    jq -r --arg tokens "$tokens" '
        def percent: . * 1000 | round / 10;
        .modes[] | . as $mode | .metrics
        | "| \($tokens) | \($mode.mode) | \(."span_recall@5" | percent) | \(."precision@5" | percent) | \(.precision_omega | percent) | \(."iou@5" | percent) |"
    ' "$work/report.json"
done

echo
echo '| tokens | chunking-3, over spans | scifact-train | pubmedqa | xquad-en |'
echo '| ---: | ---: | ---: | ---: | ---: |'
for tokens in 128 192 256 320 400 512; do
    row="| $tokens |"
    for set in chunking-3 scifact-train pubmedqa xquad-en; do
        make "$set" "$tokens"
        ndcg=$(jq '.modes[] | select(.mode == "hybrid").metrics
            | (if "'"$set"'" == "chunking-3" then ."ndcg_span@10" else ."ndcg@10" end) * 1000 | round / 1000' "$work/report.json")
        row="$row $ndcg |"
    done
    echo "$row"
done
