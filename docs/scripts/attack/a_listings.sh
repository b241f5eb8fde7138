#!/usr/bin/env bash
# A: names, numbers and places of documents from strangers. Needs python3 and git.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$place" || exit 2

# source KIND KEYS...: a kb.toml in a folder of its own, with one source; its name is in $toml.
number=0
source_of() {
    number=$((number + 1))
    folder=$place/$number
    mkdir -p "$folder/docs"
    toml=$folder/kb.toml
    {
        printf '[kb]\npath = "kb.kb"\n[[source.%s]]\nname = "s"\n' "$1"
        shift
        printf '%s\n' "$@" '[embed.hash]' 'dim = 16'
    } >"$toml"
}

# ends CODE [MEBIBYTES]: ingest of $toml exits with CODE, within 20 s of CPU and that much memory.
ends() {
    within 20 "${2:-2048}" "$kbingest" ingest -q "$toml" >"$folder/out" 2>&1
    local code=$?
    [ "$code" = "$1" ] || { echo "  ended with $code, not $1"; return 1; }
}

# small: the knowledge base has less than 16 MiB, and status reads it.
small() {
    [ "$(stat -c %s "$folder/kb.kb")" -lt 16777216 ] || { echo "  the knowledge base is large"; return 1; }
    "$kbingest" status "$toml" >"$folder/status" 2>&1 || { echo "  status fails"; return 1; }
    [ "$(stat -c %s "$folder/status")" -lt 100000 ]
}

# has_not WORD: no document with WORD was ingested.
has_not() {
    ! "$kbingest" search --mode text --json "$toml" "$1" 2>/dev/null | grep -q "\"uri\""
}

cat >make.py <<'PY'
import gzip, io, struct, sys, zipfile
kind, out = sys.argv[1:]

def member(name, kind, data):
    head = bytearray(512)
    head[:len(name)] = name
    head[100:108] = b"0000644\0"
    head[124:136] = b"%011o\0" % len(data)
    head[148:156] = b" " * 8
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data + b"\0" * (-len(data) % 512)

def pax(key, value):
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + 1
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return member(b"pax", b"x", b"%d" % length + rest)

good = member(b"good.md", b"0", b"# Good\n")
if kind in ("long", "link", "path", "short", "both"):
    size = 100 << 20
    name = b"n" * size
    head = {
        "long": lambda: member(b"././@LongLink", b"L", name),
        "link": lambda: member(b"././@LongLink", b"K", name),
        "path": lambda: pax(b"path", name),
        "short": lambda: pax(b"path", name[:500000]),
        "both": lambda: member(b"././@LongLink", b"L", name[:5000]) + pax(b"path", b"y"),
    }[kind]()
    with gzip.open(out, "wb", 6) as file:
        file.write(good + head + member(b"nnn", b"0", b"# Long\n") + b"\0" * 1024)
elif kind == "overlap":
    # Members with their own headers, whose bytes each begin with the header of the next one, as in a quoting
    # bomb (D. Fifield, "A better zip bomb").
    import zlib, binascii
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"# Title\n\nbomb in a sentence.\n" + b"a" * (8 << 20)
    packed = raw.compress(data) + raw.flush()
    body, central, names = b"", b"", 400
    offsets = []
    kernel = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 33, binascii.crc32(data), len(packed), len(data), 4, 0)
    for number in range(names):
        name = b"%04d.md" % number
        offsets.append(len(body))
        body += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 33, binascii.crc32(data), len(packed), len(data), len(name), 0) + name
        if number < names - 1:
            continue
        body += packed
    end = len(body)
    for number, at in enumerate(offsets):
        name = b"%04d.md" % number
        # All share the bytes of the last one.
        central += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 33, binascii.crc32(data), len(packed), len(data), len(name), 0, 0, 0, 0, 0, offsets[-1]) + name
    open(out, "wb").write(body + central + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, names, names, len(central), end, 0))
elif kind == "directory":
    # A directory of two million names for one member.
    body = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 10, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"a"
    count = 2000000
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    central = b"".join(entry + b"%08x" % n for n in range(count))
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), len(body))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(body) + len(central), 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, 0xffffffff, 0xffffffff, 0)
    open(out, "wb").write(body + central + end + locator + tail)
PY

for kind in long link path short both; do
    source_of archive 'path = "a"'
    python3 make.py "$kind" "$folder/a"
    # The name of a link is ignored; a header that is too long to read ends the archive.
    expected=3
    [ "$kind" = link ] && expected=0
    held "archive: a name of megabytes ($kind): exit code and memory" ends "$expected" 600
    held "archive: a name of megabytes ($kind): disk and status" small
done
source_of archive 'path = "a"'
python3 make.py overlap "$folder/a"
held "zip: 400 members share the same bytes" ends 3 1500
held "zip: none of them is ingested" has_not bomb
source_of archive 'path = "a"'
python3 make.py directory "$folder/a"
held "zip: a directory of two million names, within memory" ends 3 800

git_tree() {
    git init -q --bare "$1" && cd "$1" || exit 2
    local blob tree level
    blob=$(echo "# One" | git hash-object -w --stdin)
    tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\t%s.md\n' "$blob" "$n"; done | git mktree)
    for level in 1 2 3 4 5 6 7 8 9; do
        tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\t%s\n' "$tree" "$n"; done | git mktree)
    done
    git update-ref refs/heads/main "$(git -c user.name=a -c user.email=a@b commit-tree "$tree" -m bomb)"
    git symbolic-ref HEAD refs/heads/main
}
(git_tree "$place/bomb") >/dev/null 2>&1
source_of git "url = \"$place/bomb\"" 'max_documents = 500'
held "git: a tree of 10^10 files is cut off" ends 4
held "git: and again in the next run" ends 4
source_of git "url = \"$place/bomb\"" 'max_documents = 5000' 'exclude = ["**/*.md"]'
held "git: a tree of 10^10 files that are not wanted" ends 4

source_of directory 'path = "docs"' 'max_documents = 10'
for n in $(seq 20); do echo "# $n" >"$folder/docs/$n.md"; done
held "directory: more than max_documents" ends 4

rules() {
    source_of directory 'path = "docs"'
    mkdir "$folder/docs/sub"
    echo "# Good" >"$folder/docs/good.md"
    printf "# Title\n\nsecretword in a sentence.\n" >"$folder/docs/sub/secret.md"
    { echo 'secret.md'; "$@"; } >"$folder/docs/sub/.gitignore"
}
rules python3 -c 'print("\n".join("a%x*/b*.c" % n for n in range(65000)))'
held "gitignore: of 800 KB, within memory, is a failure" ends 3 500
held "gitignore: of 800 KB: what it names stays out" has_not secretword
rules python3 -c 'print("\n".join("{a,b" * 900 + "}" * 900 + "*?*" for n in range(50)))'
held "gitignore: patterns that cannot be compiled are a failure" ends 3
held "gitignore: patterns that cannot be compiled: what it names stays out" has_not secretword
rules printf '[z-a]\n\xff\xfe\n'
held "gitignore: bad lines cost themselves alone" ends 0
held "gitignore: bad lines: what it names stays out" has_not secretword

# A folder and a link that leads out replace each other while runs are active.
source_of directory 'path = "docs"'
mkdir -p "$folder/docs/sub" "$folder/outside"
for n in $(seq 200); do
    echo "# Public" >"$folder/docs/sub/$n.md"
    printf "# Title\n\nsecretword in a sentence.\n" >"$folder/outside/$n.md"
done
ln -s "$folder/outside" "$folder/link"
python3 - "$folder/docs/sub" "$folder/link" <<'PY' &
import ctypes, sys, time
libc = ctypes.CDLL(None)
a, b = (path.encode() for path in sys.argv[1:])
end = time.time() + 3
while time.time() < end:
    # RENAME_EXCHANGE of AT_FDCWD
    libc.renameat2(-100, a, -100, b, 2)
PY
swapping=$!
leaked=0
while kill -0 "$swapping" 2>/dev/null; do
    rm -f "$folder"/kb.kb*
    "$kbingest" ingest -q "$toml" >/dev/null 2>&1
    has_not secretword || leaked=1
done
wait "$swapping" 2>/dev/null
held "folders that are exchanged for links lead nowhere" [ "$leaked" = 0 ]

finish
