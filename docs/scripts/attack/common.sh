# Shared by the attack scripts; sourced. KBINGEST_BINARY names the program; by default the release build is
# used.
#
# A script makes a folder of its own, tries each attack on it, prints for each whether the program held, and
# exits with 1 if it did not.
set -uo pipefail

kbingest=${KBINGEST_BINARY:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)/target/release/kbingest}
[ -x "$kbingest" ] || { echo "no program at $kbingest: cargo build --release makes it" >&2; exit 2; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export HOME=$place/home XDG_CACHE_HOME=$place/home/.cache XDG_STATE_HOME=$place/home/.local/state
mkdir -p "$HOME"
passed=0
failed=0

# held NAME COMMAND...: the program held against the attack NAME if COMMAND succeeds.
held() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "held: $name"
    else
        failed=$((failed + 1))
        echo "DID NOT HOLD: $name"
    fi
}

# within SECONDS MEBIBYTES COMMAND...: runs COMMAND with limits on CPU time and on memory; its status is the result.
within() {
    local seconds=$1 mebibytes=$2
    shift 2
    (ulimit -t "$seconds" -v $((mebibytes * 1024)); exec "$@")
}

# finish: prints how many held; ends the script.
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}
