#!/usr/bin/env bash
# C: a knowledge base from a stranger, or one that disappears during a run. Every attack ends with a
# documented exit code and a message, in seconds, and nothing in the file is run.
. "$(dirname "$0")/common.sh"
cd "$place" || exit 2

mkdir docs
for number in $(seq 1 20); do
    printf '# Document %s\n\nThe ferry of river %s leaves at noon, and a pilot is aboard.\n' "$number" "$number" >"docs/$number.md"
done
cat >kb.toml <<'END'
[kb]
path = "kb.kb"
[[source.directory]]
name = "docs"
path = "docs"
[embed.hash]
dim = 64
END
"$kbingest" ingest -q kb.toml || exit 2
cp kb.kb sound.kb
cp docs/2.md two.md
echo '{"id": "1", "query": "ferry", "relevant": [{"path": "1.md"}]}' >queries.jsonl

# plant SQL: makes kb.kb a sound knowledge base that a stranger has changed.
plant() {
    rm -f kb.kb kb.kb-wal kb.kb-shm
    cp sound.kb kb.kb
    cp two.md docs/2.md
    python3 - "$1" <<'END'
import sqlite3, sys
kb = sqlite3.connect("kb.kb")
kb.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;" + sys.argv[1])
kb.commit()
kb.close()
END
}

# ends CODES COMMAND...: the command exits with one of CODES, separated by |, within its limits, with a
# message and without a panic.
ends() {
    local codes=$1 code=0
    shift
    within 10 4000 timeout 20 "$kbingest" "$@" >out 2>err || code=$?
    [[ "|$codes|" == *"|$code|"* ]] && ! grep -q panicked err
}

# everything CODES: the same for all commands; the run has a document to replace, and one to remove.
everything() {
    echo "A new line, $RANDOM." >>docs/1.md
    rm -f docs/2.md
    ends "$1" search kb.kb ferry && ends "$1" search kb.kb ferry --mode vector && ends "$1" status kb.kb &&
        ends "$1" check kb.kb --read-data && ends "$1" eval kb.kb queries.jsonl && ends "$1" check kb.kb --repair && ends "$1" ingest kb.toml
}

foreign() {
    plant "$1" && everything 12 && grep -q 'its schema is not ours' err
}
held "a trigger" foreign "CREATE TRIGGER t AFTER UPDATE ON run BEGIN DELETE FROM document; END"
held "a trigger on a view" foreign "CREATE TRIGGER t INSTEAD OF INSERT ON chunks BEGIN DELETE FROM document; END"
held "a view in the place of ours" foreign "DROP VIEW vector; CREATE VIEW vector AS
  WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS chunk_id FROM n"
held "a view in the place of a table" foreign "DROP TABLE analysis; CREATE VIEW analysis AS SELECT 1 AS id, '' AS fingerprint"
held "a generated column" foreign "ALTER TABLE run ADD COLUMN more INTEGER AS (length(zeroblob(900000000)))"
held "another check" foreign "UPDATE sqlite_schema SET sql = replace(sql, 'attempts >= 0', 'attempts >= (
  WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n)') WHERE name = 'nothing';
  UPDATE sqlite_schema SET sql = replace(sql, 'attempts >= 0', 'attempts >= abs(0)') WHERE name = 'queue'"
held "another index" foreign "CREATE INDEX more ON document (length(zeroblob(1000)))"
held "another virtual table" foreign "CREATE VIRTUAL TABLE more USING fts5 (a)"

extreme() {
    plant "$1" && everything '0|3|12'
}
held "vectors without a width" extreme "UPDATE vector_space SET width = 0"
held "vectors of a negative width" extreme "UPDATE vector_space SET width = -7"
held "vectors of a huge dimension" extreme "UPDATE vector_space SET dim = 1 << 62"
held "a space near the end of ids" extreme "UPDATE vector_space SET id = 1 << 62"
held "chunks near the end of ids" extreme "UPDATE chunk SET id = id + (1 << 62)"
held "a revision of endless chunks" extreme "UPDATE revision SET chunk_total = 1 << 62, chunk_stored = 1 << 62"
held "a revision far away" extreme "UPDATE revision SET first_chunk = 9223372036854775807"
held "spans out of their text" extreme "UPDATE chunk SET start_byte = 1 << 40, end_byte = 1 << 62"
held "counters at their end" extreme "UPDATE counter SET last = 9223372036854775807"
held "a queue of everything" extreme "INSERT INTO queue (first_chunk, last_chunk, state)
  WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000) SELECT x, 1 << 62, 'pending' FROM n"
held "times at their end" extreme "UPDATE run SET started_ms = -9223372036854775808, heartbeat_ms = 9223372036854775807, ended_ms = 9223372036854775807"
held "metrics at their end" extreme "UPDATE run SET chunks_stored = 0, chunks_reused = 9223372036854775807"
held "vectors that are no numbers" extreme "UPDATE vector_block SET entries = CAST(replace(hex(zeroblob(0)), '', '') AS BLOB);
  UPDATE vector_block SET entries = zeroblob(length(slots) * 76)"
held "a text of 200 MiB" extreme "UPDATE content SET text = zeroblob(200 << 20) WHERE id = 1"

# shown COMMAND...: its output contains nothing that controls a terminal.
shown() {
    "$kbingest" "$@" >out 2>err
    ! LC_ALL=C.UTF-8 grep -qP '[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]' out err
}
steers() {
    plant "UPDATE run SET message = 'a' || char(27) || '[31m' || char(155) || 'J' || char(8238) || 'b' || char(13);
           UPDATE revision SET title = 'a' || char(8294) || char(8232) || char(27) || ']0;x' || char(7);
           UPDATE chunk SET heading_path = char(8238) || char(27) || '[2J'"
    shown status kb.kb && shown search kb.kb ferry && shown search kb.kb ferry --json && shown check kb.kb
}
held "text that steers a terminal" steers

# gone MEDDLE: a run whose files are changed while it works reports it and exits with 41.
gone() {
    rm -rf big kb.kb kb.kb-wal kb.kb-shm
    cp sound.kb kb.kb
    mkdir big
    python3 - <<'END'
for number in range(6000):
    open(f"big/{number}.md", "w").write(f"# Document {number}\n\n" + f"The ferry of river {number} leaves at noon.\n" * 40)
END
    sed 's/"docs"/"big"/g' kb.toml >big.toml
    "$kbingest" ingest -q --adopt big.toml >out 2>err &
    local run=$! code=0
    for _ in $(seq 100); do
        [ -s kb.kb-wal ] && break
        sleep 0.02
    done
    eval "$1"
    wait "$run" || code=$?
    [ "$code" = 41 ] && grep -q 'removed or replaced' err
}
held "the knowledge base is removed under a run" gone 'rm -f kb.kb kb.kb-wal kb.kb-shm'
held "the knowledge base is replaced under a run" gone 'cp sound.kb other.kb; mv other.kb kb.kb'
held "its log is removed under a run" gone 'rm kb.kb-wal'

# A limit on the size of files does not kill it.
limited() {
    local code=0
    rm -f kb.kb kb.kb-wal kb.kb-shm
    cp sound.kb kb.kb
    (ulimit -f 0; exec "$kbingest" search kb.kb ferry) 2>err | cat >out
    code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || [ "$code" = 40 ]
}
held "search under a limit on file size" limited
finish
