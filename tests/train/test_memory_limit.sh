#!/usr/bin/env bash
# --memory as a user sees it: the plan stays below the limit and states the cost, the run's bytes do not
# depend on the limit, a resumed run may change it, and a limit that is too small is refused with an amount
# that works.
. "$(dirname "$0")/../lib/lib.sh"

"$mixmae" synth --output "$work/images" --classes 2 --images 16 --size 64 --seed 1 --quiet || fail "synth"
options=(--data "$work/images" --model nano --batch-size 16 --epochs 3 --threads 2 --workers 1)
for task in pretrain finetune; do
    plan=("$mixmae" plan "${options[@]}" --task $task --steps 0)
    most=$("${plan[@]}" | awk '$1 == "total" { print $2 }')
    expect 2 "too small.* needs [0-9]+ MB.*give --memory [0-9]+M" "${plan[@]}" --memory 100k
    least=$(sed -n 's/.*give --memory \([0-9]*\)M.*/\1/p' "$work/out")
    [ "$((least * 1000000))" -lt "$most" ] || fail "$task: the least is $least MB, everything takes $most bytes"
    expect 0 "recompute +.* of [0-9]+ blocks: [0-9.]+ % more work" "${plan[@]}" --memory "${least}M"
    total=$(awk '$1 == "total" { print $2 }' "$work/out")
    [ "$total" -le "$((least * 1000000))" ] || fail "$task: planned $total bytes for --memory ${least}M"
    expect 2 "too small" "${plan[@]}" --memory "$((least - 1))M"
    expect 0 "recompute +nothing" "${plan[@]}" --memory "$most"

    [ $task = pretrain ] && tight=${least}M
    expect 0 finished "$mixmae" $task "${options[@]}" --output "$work/$task-a"
    expect 0 "recompute .*blocks" "$mixmae" $task "${options[@]}" --output "$work/$task-b" --memory "${least}M"
    cmp "$work/$task-a/model.safetensors" "$work/$task-b/model.safetensors" || fail "$task: --memory changed the result"
    expect 2 "too small" "$mixmae" $task "${options[@]}" --output "$work/$task-c" --memory "$((least - 1))M"
    [ -e "$work/$task-c/options.ini" ] && fail "$task: a refused run left a folder"
    grep -q "^memory = ${least}M" "$work/$task-b/options.ini" || fail "$task: the limit is not in options.ini"
    expect 0 "nothing to do" "$mixmae" $task --resume "$work/$task-b" --memory 1G
done

# stopped under one limit, continued under another, as if never stopped
options+=(--epochs 16)
"$mixmae" pretrain "${options[@]}" --save-every 1 --memory 1G --output "$work/d" >/dev/null 2>&1 & pid=$!
for _ in $(seq 1200); do [ -e "$work/d/state.safetensors" ] && break; sleep 0.05; done
kill -TERM $pid
wait $pid
[ $? = 3 ] || fail "a stopped run must exit with 3"
expect 0 "finished" "$mixmae" pretrain --resume "$work/d" --memory "$tight" --no-quiet
grep -q "recompute .*blocks" "$work/out" || fail "the resumed run does not recompute"
expect 0 "finished" "$mixmae" pretrain "${options[@]}" --output "$work/e"
cmp "$work/d/model.safetensors" "$work/e/model.safetensors" || fail "a resumed run with another --memory differs"
expect 2 "expected an amount like 8G" "$mixmae" plan --memory lots
expect 2 "expected an amount like 8G" "$mixmae" bench --memory -1G
exit $failed
