#!/usr/bin/env bash
# E: other users of the machine: they cannot read our files, and files that they have planted are not used
# unasked.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
git config --global user.name A
git config --global user.email a@example.org
cd "$place" || exit 2
umask 000
mkdir docs
echo "# A ferry" >docs/a.md
git init -q -b main repo
cp docs/a.md repo/b.md
git -C repo add . && git -C repo commit -q -m first
tar cf a.tar repo/b.md
cat >kb.toml <<'END'
[[source.directory]]
name = "docs"
path = "docs"
[[source.git]]
name = "git"
url = "repo"
[[source.archive]]
name = "tar"
path = "a.tar"
[embed.hash]
dim = 16
END

ingest() {
    timeout 20 "$kbingest" ingest -q "$@" >said 2>&1
}
ends_with() {
    local code=$1
    shift
    "$@"
    [ $? = "$code" ]
}

held "an ingest with the umask 000" ingest --trust
open_to_others() { find "$XDG_CACHE_HOME/kbingest" kb.kb.* -not -name '*.lock' -perm /077 2>/dev/null; }
held "the cache is there" [ -d "$XDG_CACHE_HOME/kbingest" ]
held "and nothing in it is open to others" [ -z "$(open_to_others)" ]
held "the knowledge base has what the umask leaves" [ -n "$(find kb.kb -perm 0666)" ]
rm -f kb.kb*
umask 022
held "an ingest with the umask 022" ingest --trust
held "and others cannot write the knowledge base" [ -z "$(find kb.kb* -maxdepth 0 -perm /022)" ]

# Secrets: on no command line and in no message.
mkdir tools
printf '#!/bin/sh\necho "$*" >>%s\nPATH="${PATH#*:}"\nexec git "$@"\n' "$place/log" >tools/git
chmod +x tools/git
scheme=http:
printf '[[source.git]]\nname = "a"\nurl = "%s//t0ken@localhost:1/a.git"\n' "$scheme" >token.toml
PATH=$place/tools:$PATH timeout 20 "$kbingest" ingest -q --trust token.toml >said 2>&1
held "a token in a url is on no command line" [ -s log -a -z "$(grep t0ken log)" ]
held "and in no message" [ -z "$(grep t0ken said)" ]
for url in "$scheme//me:t0ken@localhost/a" "$scheme//localhost/a?access_token=t0ken" me:t0ken@localhost:a; do
    printf '[[source.git]]\nname = "a"\nurl = "%s"\n' "$url" >token.toml
    held "a url with a secret is refused" ends_with 2 ingest --trust token.toml
    held "is shown without its secret" [ -z "$(grep t0ken said)" ]
done

if [ "$(id -u)" = 0 ]; then
    for name in kb.kb kb.kb.lock; do
        chown 54321 "$name"
        held "another user's $name" ends_with 41 ingest --trust
        held "which may be adopted" ingest --trust --adopt
        chown 0 "$name"
    done
    rm -rf "$XDG_CACHE_HOME/kbingest" kb.kb kb.kb.cache
    mkdir "$XDG_CACHE_HOME/kbingest"
    chown 54321 "$XDG_CACHE_HOME/kbingest"
    held "another user's folder for the cache" ingest --trust
    held "is left empty" [ -z "$(ls "$XDG_CACHE_HOME/kbingest")" ]
fi

finish
