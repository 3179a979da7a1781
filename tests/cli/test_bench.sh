#!/usr/bin/env bash
# bench/steps.c, our side of `make bench-torch`: builds without a warning, does one step per line of input, prints
# what bench/compare reads. `make bench-torch` itself compares the PyTorch side with tests/golden.
# bench/embed.c, our side of `make bench-inference`: the same. `make bench-inference` compares with ONNX Runtime.
# mixmae bench --profile: ops are listed in their phase, longest first, and all lines add up to the step's time.
. "$(dirname "$0")/../lib/lib.sh"

libraries=$(sed -n 's/^Libs.private: //p' "$build/mixmae.pc")
sanitizer=$(sed -n "s/^MIXMAE_SANITIZE:[A-Z]*=\(..*\)/-fsanitize=\1/p" "$build/CMakeCache.txt")
# shellcheck disable=SC2086 # several words
for name in steps embed; do
    cc -std=c11 -O1 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wshadow -Werror $sanitizer -Iinclude "bench/$name.c" "$build/libmixmae.a" $libraries \
        -o "$work/$name" || { fail "bench/$name.c does not build"; exit 1; }
done
small=(--model nano --embed-dim 16 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --decoder-num-heads 2 --batch-size 2)
printf '\n\n' | "$work/steps" "${small[@]}" --threads 1 >"$work/out" || fail "steps exited $?"
parameters=$("$1" plan "${small[@]}" --steps 0 | awk '$1 == "parameters" { print $2 }')
awk -v n="$parameters" 'NR == 1 { if ($1 != "READY" || $2 != n || n < 1000) exit 1 }
     NR > 1 { if (NF != 4 || $1 <= 0 || $2 <= 0 || $3 <= 0 || $3 > 10 || $4 < 1e6) exit 1 }
     END { if (NR != 3) exit 1 }' "$work/out" || { fail "steps printed:"; cat "$work/out"; }
"$work/steps" --no-such-option </dev/null 2>"$work/out" && fail "an unknown option was taken"
grep -q no-such-option "$work/out" || fail "no message about the option"

"$1" synth --output "$work/images" --classes 1 --images 2 --size 64 --quiet || fail "synth exited $?"
"$1" pretrain --data "$work/images" --output "$work/run" "${small[@]}" --epochs 1 --warmup-epochs 0 --quiet || fail "pretrain exited $?"
model=$work/run/model.safetensors
head -c $((3 * 3 * 64 * 64 * 4)) /dev/zero | tr '\0' '?' >"$work/pixels" # 0x3f3f3f3f is 0.747 as a float
for type in f32 bf16; do
    printf '\n\n' | "$work/embed" "$model" "$work/pixels" "$work/$type" --batch 3 --threads 1 --dtype $type >"$work/out" || fail "embed exited $?"
    awk 'NR == 1 && ($1 != "READY" || $2 != 64) { exit 1 } NR > 1 && (NF != 3 || $1 <= 0 || $2 <= 0 || $3 < 1e6) { exit 1 } END { if (NR != 3) exit 1 }' \
        "$work/out" || { fail "embed printed:"; cat "$work/out"; }
    [ "$(wc -c <"$work/$type")" = $((3 * 64 * 4)) ] || fail "embed wrote $(wc -c <"$work/$type") bytes of features"
done
cmp -s "$work/f32" "$work/bf16" && fail "embed --dtype changes nothing"
refused() {
    "$work/embed" "${@:2}" </dev/null >"$work/out" 2>&1 && fail "embed ${*:2} was taken"
    grep -q "$1" "$work/out" || fail "embed ${*:2} does not say \"$1\": $(cat "$work/out")"
}
refused "expected 2 images" "$model" "$work/pixels" "$work/f32" --batch 2
refused "found f16" "$model" "$work/pixels" "$work/f32" --dtype f16
refused "no option --size" "$model" "$work/pixels" "$work/f32" --size 3
refused "three files" "$model" "$work/pixels"

# profile NAME OPTIONS...: the table is whole and adds up; $work/NAME gets "phase op calls" lines
profile() {
    local name=$1
    shift
    "$mixmae" bench "${small[@]}" --threads 2 --steps 2 --profile "$@" >"$work/out" || fail "bench --profile $* exited $?"
    awk -v ops="$work/$name" '
        function wrong(what) { print "wrong: " what ": " $0; bad = 1; exit 1 }
        function near(a, b, by) { return a - b <= by && b - a <= by }
        /^where a step/ { on = 1; next }
        !on { next }
        /^[a-z]/ { phase = $1; phases = phases " " phase; sum = share = n = 0; last = 1e30; next }
        $1 == "outside" && $2 == "ops" { outside += phase == "step" ? 0 : $3; left = $3; sum += $3; share += $4; if ($3 < -0.001) wrong("less than nothing"); next }
        $1 == "together" { if (!near(sum, $2, 0.001 * (n + 2))) wrong("phase is " sum); total += $2; next }
        $1 == "all" { all = $3; next }
        $1 == "wall" { wall = $3; next }
        { n++; sum += $3; named += $3; if ($3 > last) wrong("order"); last = $3
          if ($2 < 1 || $2 != int($2) || $4 !~ /%$/) wrong("columns"); print phase, $1, $2 > ops }
        END { if (bad) exit 1
          if (phases != " forward backward update step") wrong("phases" phases)
          if (!near(all, named, 0.1)) wrong("all ops " all " but lines " named)
          if (!near(left, outside, 0.1) || !near(all + left, wall, 0.01) || !near(total, wall, 0.1)) wrong("wall " wall " is not " all + left) }' \
        "$work/out" || { fail "bench --profile $*:"; cat "$work/out"; }
}
profile kept
grep -qx "forward linear_gelu 4" "$work/kept" || fail "the stages' blocks and the decoder's have 4 calls of linear_gelu:" "$(cat "$work/kept")"
grep -qx "backward linear_gelu_back 4" "$work/kept" || fail "no backward of linear_gelu"
grep -q "^forward .*_back" "$work/kept" && fail "a gradient in forward"
grep -qE "^(forward|backward) (adamw|square_sum)" "$work/kept" && fail "the update is in another phase"
grep -q "^update adamw" "$work/kept" || fail "no adamw"
grep -q "^backward attention " "$work/kept" && fail "attention was done again although all fits"
grep -qx "forward pixel_loss 1" "$work/kept" || fail "no loss in forward"
profile two_batches --accum-steps 2
grep -qx "forward linear_gelu 8" "$work/two_batches" || fail "micro-batches of a step are not added up"
small=(--model nano --batch-size 32)
profile less --memory 60M --dtype f32
grep -q "^backward layernorm " "$work/less" || fail "what --memory makes backward do again is not shown there"
exit $failed
