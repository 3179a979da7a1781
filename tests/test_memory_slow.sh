#!/usr/bin/env bash
# What `mixmae plan` says against what a run really takes at its peak: within 10 % or 32 MB, whichever is larger.
# MODELS="nano tiny base" tests more (base writes 2 GB of checkpoints).
set -u
mixmae=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
"$mixmae" synth --output "$work/images" --classes 2 --images 20 --size 64 --quiet
for model in ${MODELS:-nano tiny}; do
    batch=4
    [ $model = nano ] && batch=32
    options=(--data "$work/images" --model $model --batch-size $batch --epochs 0.3 --threads 2)
    for task in pretrain finetune; do
        planned=$("$mixmae" plan "${options[@]}" --task $task --steps 0 | awk '$1 == "total" { print $2 }')
        out=$("$mixmae" $task "${options[@]}" --output "$work/$model-$task" 2>&1)
        peak=$(sed -n 's/.*peak memory \([0-9]*\) MB.*/\1/p' <<<"$out")
        [ -n "$planned" ] && [ -n "$peak" ] || { echo "FAILED: $task $model: no figures in: $out"; failed=1; continue; }
        awk -v p="$planned" -v u="$peak" -v m="$task $model" 'BEGIN {
            p /= 1e6; d = u > p ? u - p : p - u; limit = 0.1 * p > 32 ? 0.1 * p : 32
            printf "%s: planned %.0f MB, peak %.0f MB, difference %.0f, allowed %.0f\n", m, p, u, d, limit
            exit d > limit }' || { echo "FAILED: $task $model"; failed=1; }
        rm -rf "$work/$model-$task"
    done
done
exit $failed
