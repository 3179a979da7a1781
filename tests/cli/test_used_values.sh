#!/usr/bin/env bash
# A trained model used on values that do not match its statistics: every command that uses a model reports
# them, and does not report values like those of the training data.
set -u
mixmae=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
cd "$work" || exit 1
# npy FILE SHAPE WORD: 32x32x3 floats, all but the first the same
npy() {
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (32, 32, 3), }" >"$1"
    { printf '\x00\x00\x80\x3e'; for _ in $(seq 3071); do printf '%b' "$2"; done; } >>"$1"
}
mkdir -p usual/a usual/b far/a far/b
npy one '\x00\x00\x40\x3f' # 0.75
npy big '\x00\x00\x7a\x45' # 4000
for k in 1 2 3 4; do for c in a b; do cp one usual/$c/$k.npy; cp big far/$c/$k.npy; done; done
use="--threads 1 --dtype f32"
"$mixmae" finetune --model micro --data usual --epochs 1 --batch-size 4 --aa none --color-jitter 0 $use --output tuned --quiet || fail finetune
said() { # EXPECTED COMMAND...: is the warning said, 0 or 1
    local expected=$1 found
    shift
    "$mixmae" "$@" $use --checkpoint tuned/model.safetensors >out 2>&1 || { fail "$* exited $?"; cat out; }
    found=$(grep -c "warning: values of the images lie between 0.25 and .*: are they of the kind" out)
    [ "$found" -$([ "$expected" = 0 ] && echo eq || echo ge) "$expected" ] || { fail "$*: said $found times, expected $expected"; cat out; }
}
for data in usual far; do
    expected=$([ $data = far ] && echo 1 || echo 0)
    said $expected eval --data $data --split all
    said $expected embed --data $data --output x.npy
    said $expected embed $data/a/1.npy $data/b/1.npy --output x.npy
    said $expected predict $data/a/1.npy
    said $expected predict $data
    said $expected probe --data $data --val-data $data --epochs 0
done
exit $failed
