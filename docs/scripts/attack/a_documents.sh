#!/usr/bin/env bash
# A: documents of a stranger.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

says_sandbox() { "$kbingest" --version -v | grep -q '^sandbox: .*seccomp'; }
held "children give up files, network and programs" says_sandbox
finish
