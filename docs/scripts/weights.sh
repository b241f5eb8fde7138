#!/bin/sh
# Repeats the table of weights in docs/retrieval.md: sh docs/scripts/weights.sh CORPORA [KBINGEST]
#
# The handbook of this repository is one more set. Queries of even number are apart from the others, so that a weight is
# chosen on these and checked on those. Prints for each weight the mean over all sets of nDCG@10, over relevant spans
# where a set has these.
set -eu
. "$(dirname "$0")/sets.sh"
handbook=$(cd "$(dirname "$0")/../../examples/handbook" && pwd)

# prepare SET DOCUMENTS QUERIES: ingests a set and parts its queries
prepare() {
    echo "$1 $2" >> "$work/sets"
    configure "$1" "$2" search ""
    "$kbingest" ingest -q "$work/$1.toml" >&2
    awk -v base="$work/$1" '{ print > (base (NR % 2 ? ".even" : ".odd") ".jsonl") }' "$3"
}

# mean HALF MODE KEY VALUE: the mean over the sets
mean() {
    while read -r set documents; do
        configure "$set" "$documents" search "$3 = $4"
        "$kbingest" eval --json --mode "$2" "$work/$set.toml" "$work/$set.$1.jsonl"
    done < "$work/sets" | jq -s '[.[].modes[0].metrics | ."ndcg_span@10" // ."ndcg@10"] | add / length * 10000 | round / 10000'
}

for set in "$corpora"/*/; do
    prepare "$(basename "$set")" "${set}corpus" "${set}queries.jsonl"
done
prepare handbook "$handbook/docs" "$handbook/queries.jsonl"

echo '| key | value | mode | even queries | odd queries |'
echo '| --- | ---: | --- | ---: | ---: |'
while read -r mode key values; do
    for value in $values; do
        echo "| $key | $value | $mode | $(mean even "$mode" "$key" "$value") | $(mean odd "$mode" "$key" "$value") |"
    done
done <<WEIGHTS
hybrid vector_weight 0.0 0.4 0.6 0.8 1.0 1.2 1.6 2.0
text title_weight 0.0 0.5 1.0 2.0 3.0 5.0
text heading_weight 0.0 0.5 1.0 2.0 3.0 5.0
WEIGHTS
