# Start of every command test: `. "$(dirname "$0")/../lib/lib.sh"`. The test gets the program as its argument and
# ends with `exit $failed`. Sets
#   mixmae   the program, absolute          build   its folder
#   source   the repository                 work    a folder for this test alone, removed at its end
#   failed   0, and 1 after fail
set -u
mixmae=$(realpath "$1")
build=$(dirname "$mixmae")
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# expect CODE PATTERN COMMAND...: runs the command into $work/out; checks the exit code and the pattern ("": none)
expect() {
    local code=$1 pattern=$2
    shift 2
    "$@" >"$work/out" 2>&1 </dev/null
    local got=$?
    [ $got = "$code" ] || { fail "$* exited $got, expected $code"; cat "$work/out"; }
    [ -z "$pattern" ] || grep -qaE -- "$pattern" "$work/out" || { fail "$*: no \"$pattern\" in:"; cat "$work/out"; }
}
said() { grep -qaE -- "$1" "$work/out" || { fail "no \"$1\" in:"; cat "$work/out"; }; }     # PATTERN: also in it
unsaid() { ! grep -qaE -- "$1" "$work/out" || { fail "\"$1\" was said:"; cat "$work/out"; }; } # PATTERN: not in it
same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }                                           # FILE FILE
other() { ! cmp -s "$1" "$2" || fail "$1 and $2 are the same"; }                               # FILE FILE
