#!/usr/bin/env bash
# A: documents from strangers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

says_sandbox() { "$kbingest" --version -v | grep -q '^sandbox: .*seccomp'; }
held "children give up files, network and programs" says_sandbox

# times COUNT TEXT: the text repeated COUNT times.
times() { yes "$2" | head -n "$1" | tr -d '\n'; }
# lines COUNT TEXT: lines of the text.
lines() { yes "$2" | head -n "$1"; }

mkdir -p "$place/docs"
cd "$place/docs" || exit 2
{ times 1000000 ,; echo; lines 500000 a; } >wide.csv
{ times 500000 a,; echo; lines 500000 a; } >named.csv
{ times 500000 '= '; echo =; lines 500000 a; times 500000 '= '; echo =; } >wide.rst
lines 300000 '== ==' >borders.rst
{ echo '.. csv-table::'; echo; printf '   '; times 500000 ,; echo; lines 200000 '   a'; } >directive.rst
{ echo '|==='; lines 500000 '|a'; echo '|==='; } >long.adoc
{ echo ---; seq -f 'k%.0f: 1' 200000; echo ---; echo text; } >keys.md
{ echo +++; times 100000 a.; echo 'b = 1'; echo +++; echo text; } >dotted.md
times 400000 '<div>' >deep.html
times 250000 '<ul><li>' >lists.html
{ printf '<p '; seq -f 'a%.0f=1' 200000 | tr '\n' ' '; echo '>text'; } >attributes.html
times 2000000 '[' >brackets.md
times 2000000 '`' >ticks.md
times 700000 '**a' >stars.md
times 1000000 '> ' >quotes.md
{ times 300000 '|a'; echo '|'; times 300000 '|-'; echo '|'; lines 200000 '|a|'; } >table.md
times 2000000 '[' >nested.json
times 700000 '<a>' >nested.xml
times 2000000 '{' >nested.rtf
times 200000 '\begin{a}' >nested.tex
seq -f 'Content-Type: multipart/mixed; boundary=a%.0f' 40000 >nested.eml

for document in *; do
    taken_in() { within 5 1500 "$kbingest" chunk "$document" >/dev/null 2>&1 || [ $? -lt 100 ]; }
    held "$document: linear in time and memory" taken_in
done
finish
