#!/usr/bin/env bash
# Numbers do not depend on the compiler's options: this build and the release build next to it, if that is as
# new as the sources, compute the same bytes of every gradient and weight, on every instruction set of this
# machine.
. "$(dirname "$0")/../lib/lib.sh"
other=build/mixmae
[ "$(realpath "$mixmae")" != "$(realpath -q "$other")" ] || { echo "skipped: this is the release build"; exit 77; }
[ -x "$other" ] && [ -z "$(find src cli include CMakeLists.txt -newer "$other" -type f | head -n 1)" ] ||
    { echo "skipped: no $other of these sources"; exit 77; }
failed=0 compared=0
for isa in generic avx2 avx512 avx512bf16; do
    for dtype in f32 bf16; do
        MIXMAE_ISA=$isa "$other" verify --device cpu --dtype $dtype --threads 2 --output "$work/theirs" tests/golden/pretrain_64.safetensors >/dev/null 2>&1
        [ -s "$work/theirs" ] || continue # not on this machine
        MIXMAE_ISA=$isa "$mixmae" verify --device cpu --dtype $dtype --threads 2 --output "$work/ours" tests/golden/pretrain_64.safetensors >/dev/null 2>&1
        cmp "$work/ours" "$work/theirs" || { echo "FAILED: $isa $dtype"; failed=1; }
        compared=$((compared + 1))
        rm -f "$work/ours" "$work/theirs"
    done
done
echo "$compared compared"
[ $compared -gt 0 ] && exit $failed
