#!/usr/bin/env bash
# D: a folder with a kb.toml from a stranger, from a clone, an archive or a download: nothing in it runs, and
# nothing outside of it is trusted, written or removed.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
git config --global user.name A
git config --global user.email a@example.org

# fresh: makes a folder with two documents, a repository and an archive, and enters it.
number=0
fresh() {
    number=$((number + 1))
    folder=$place/$number
    mkdir -p "$folder/docs" "$folder/repo" "$place/outside"
    cd "$folder" || exit 2
    echo "# A ferry" >docs/a.md
    echo "# B" >repo/b.md
    git init -q -b main repo
    git -C repo add . && git -C repo commit -q -m first
    tar cf a.tar repo/b.md
    printf '#!/bin/sh\necho "$0 $*" >>%s\nexit 1\n' "$folder/ran" >canary
    chmod +x canary
    precious=$place/outside/$number
    echo precious >"$precious"
}

# settings TABLE...: writes kb.toml.
settings() {
    { printf '%s\n' "$@"; printf "[embed.hash]\ndim = 16\n"; } >kb.toml
}

ingest() {
    timeout 20 "$kbingest" ingest -q "$@" >said 2>&1
}

ran_nothing() { [ ! -e "$folder/ran" ]; }
is_unharmed() { [ "$(cat "$precious")" = precious ]; }
ends_with() {
    local code=$1
    shift
    "$@"
    [ $? = "$code" ]
}

# poison CONFIG: a git config whose every setting runs the canary.
poison() {
    local key
    for key in core.fsmonitor core.sshCommand core.gitProxy core.pager core.alternateRefsCommand core.askPass \
        credential.helper uploadpack.packObjectsHook diff.external gpg.program; do
        git config --file "$1" "$key" "$folder/canary"
    done
    git config --file "$1" core.hooksPath "$folder/hooks"
    git config --file "$1" alias.upload-pack "!$folder/canary"
    git config --file "$1" core.repositoryFormatVersion 1
    git config --file "$1" extensions.partialClone evil
    git config --file "$1" remote.evil.promisor true
    git config --file "$1" remote.evil.url "$folder/repo"
    git config --file "$1" remote.evil.uploadpack "$folder/canary"
    mkdir -p hooks
    cp canary hooks/reference-transaction
    cp canary hooks/post-upload-pack
}

directory=$'[[source.directory]]\nname = "docs"\npath = "docs"'
git=$'[[source.git]]\nname = "repo"\nurl = "repo"'
ssh=$'[[source.git]]\nname = "repo"\nurl = "host.invalid:a.git"'
tar=$'[[source.archive]]\nname = "tar"\npath = "a.tar"'

for source in "$git" "$ssh"; do
    fresh
    settings "$source"
    git clone -q --bare repo kb.kb.git/repo
    poison kb.kb.git/repo/config
    ingest --trust
    held "a clone that came with the folder runs nothing" ran_nothing
done

fresh
settings "$git"
poison repo/.git/config
ingest --trust
held "a repository that is the source runs nothing" ran_nothing
id=$(cd / && git hash-object "$folder/repo/b.md")
rm -f "repo/.git/objects/${id:0:2}/${id:2}" kb.kb
GIT_NO_LAZY_FETCH=0 ingest --trust
held "nor does it fetch what it lacks" ran_nothing

for name in .. . -x _x a/b; do
    fresh
    settings "${git/\"repo\"/\"$name\"}"
    held "a source named $name" ends_with 2 ingest --trust
done

fresh
touch kept.lock tmp_kept
settings "${git/\"repo\"/\"..\"}"
ingest --trust
held "a name that climbs removes nothing" [ -e kept.lock -a -e tmp_kept ]

for name in kb.kb kb.kb.lock kb.kb-wal kb.kb-shm kb.kb-journal; do
    fresh
    settings "$directory"
    ln -s "$precious" "$name"
    held "a link as $name is an error" ends_with 41 ingest
    held "and its target stays" is_unharmed
done

fresh
settings "$tar" "$git"
mkdir "$place/outside/folder"
echo precious >"$place/outside/folder/tmp_kept"
precious=$place/outside/folder/tmp_kept
for ending in git archives tmp; do ln -s "$place/outside/folder" "kb.kb.$ending"; done
echo spool >../outside/spool
ln -s ../outside/spool kb.kb.spool
ingest --trust
held "links as folders of ours remove nothing" is_unharmed
held "and nothing is put there" [ "$(ls "$place/outside/folder")" = tmp_kept ]
held "a link as the spool stays" [ -L kb.kb.spool -a "$(cat ../outside/spool)" = spool ]

fresh
settings "$tar"
mkdir -p kb.kb.cache/git
printf 'Made by kbingest, and removed by it at any time.\ninode 1\n' >kb.kb.cache/.kbingest-folder
without_home() { env -u HOME -u XDG_CACHE_HOME timeout 20 "$kbingest" ingest -q >said 2>&1; }
held "a cache that came with the folder is refused" ends_with 41 without_home

fresh
settings "$directory"
ingest
echo '{"id": "1", "query": "ferry", "relevant": [{"path": "a.md"}]}' >queries.jsonl
ln -s "$precious" report.html.part
"$kbingest" eval kb.toml queries.jsonl --report report.html >said 2>&1
held "a link beside the report" is_unharmed
ln -s "$precious" kb.kb.next
publish() { ingest --publish-if-eval queries.jsonl --min recall@10=0.0; }
held "a link as the candidate is an error" ends_with 41 publish
held "and its target stays" is_unharmed

for url in 'ext::sh -c date' 'ext::ssh://h/a' foo::bar -x ssh://-oProxyCommand=date/a ssh://%2doProxyCommand=date/a \
    'me@-oProxyCommand=date:a' 'git://h/a%0ab'; do
    fresh
    settings "${git/url = \"repo\"/url = \"$url\"}"
    held "the url $url" ends_with 2 ingest --trust
done

# Messages of the server are never damage of ours.
fresh
settings "$ssh"
printf '#!/bin/sh\nexec git upload-pack %s\n' "$folder/repo" >good
chmod +x good
GIT_SSH_COMMAND=$folder/good ingest --trust
packs() { find "$XDG_CACHE_HOME" kb.kb.git -name '*.pack' -newer good 2>/dev/null | sort | xargs -r stat -c '%n %i'; }
before=$(packs)
for words in 'packfile x.pack is corrupt' 'bad object HEAD' 'write error: No space left on device'; do
    printf '#!/bin/sh\necho "fatal: %s" >&2\nexit 1\n' "$words" >bad
    chmod +x bad
    said_so() { GIT_SSH_COMMAND=$folder/bad ingest --trust; }
    held "a server that says '$words'" ends_with 20 said_so
    held "and our clone stays" [ -n "$before" -a "$(packs)" = "$before" ]
done

finish
