# What retrieval.sh and weights.sh begin with; `. sets.sh CORPORA [KBINGEST]` in a script of this folder.
#
# CORPORA is a folder of sets; each has `corpus/`, the documents, and `queries.jsonl`, the form of `kbingest eval`.
# Knowledge bases are made in a temporary folder, $work. Needs jq.
set -eu
corpora=$(cd "${1:?the folder of sets}" && pwd)
kbingest=${2:-kbingest}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# configure NAME DOCUMENTS TABLE SETTING: writes $work/NAME.toml, for a knowledge base of a folder
configure() {
    cat > "$work/$1.toml" <<TOML
[kb]
path = "$1.kb"
[[source.directory]]
name = "corpus"
path = "$2"
[$3]
$4
TOML
}
