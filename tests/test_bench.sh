#!/usr/bin/env bash
# bench/steps.c, our side of `make bench-torch`: builds without a warning, does a step a line of input, says what
# bench/compare reads. The PyTorch side is held against tests/golden by `make bench-torch` itself.
set -u
build=$(dirname "$(realpath "$1")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

libraries=$(sed -n 's/^Libs.private: //p' "$build/mixmae.pc")
sanitizer=$(sed -n "s/^MIXMAE_SANITIZE:[A-Z]*=\(..*\)/-fsanitize=\1/p" "$build/CMakeCache.txt")
# shellcheck disable=SC2086 # several words
cc -std=c11 -O1 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wshadow -Werror $sanitizer -Iinclude bench/steps.c "$build/libmixmae.a" $libraries \
    -o "$work/steps" || { fail "bench/steps.c does not build"; exit 1; }
small=(--model nano --embed-dim 16 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --decoder-num-heads 2 --batch-size 2)
printf '\n\n' | "$work/steps" "${small[@]}" --threads 1 >"$work/out" || fail "steps exited $?"
parameters=$("$1" plan "${small[@]}" --steps 0 | awk '$1 == "parameters" { print $2 }')
awk -v n="$parameters" 'NR == 1 { if ($1 != "READY" || $2 != n || n < 1000) exit 1 }
     NR > 1 { if (NF != 4 || $1 <= 0 || $2 <= 0 || $3 <= 0 || $3 > 10 || $4 < 1e6) exit 1 }
     END { if (NR != 3) exit 1 }' "$work/out" || { fail "steps printed:"; cat "$work/out"; }
"$work/steps" --no-such-option </dev/null 2>"$work/out" && fail "an unknown option was taken"
grep -q no-such-option "$work/out" || fail "no message about the option"
exit $failed
