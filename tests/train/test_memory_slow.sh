#!/usr/bin/env bash
# The memory that `mixmae plan` reports compared with a run's real peak: within 10 % or 32 MB, whichever is larger;
# with everything kept, and with --memory halfway to the smallest limit that works.
# MODELS="nano tiny base" tests more (base writes 2 GB of checkpoints).
. "$(dirname "$0")/../lib/lib.sh"
"$mixmae" synth --output "$work/images" --classes 2 --images 20 --size 64 --quiet
# measure NAME TASK OPTIONS...: plans, runs, compares
measure() {
    local name=$1 task=$2 planned out peak
    shift 2
    planned=$("$mixmae" plan "$@" --task $task --steps 0 | awk '$1 == "total" { print $2 }')
    out=$("$mixmae" $task "$@" --output "$work/run" 2>&1)
    peak=$(sed -n 's/.*peak memory \([0-9]*\) MB.*/\1/p' <<<"$out")
    [ -n "$planned" ] && [ -n "$peak" ] || { echo "FAILED: $name: no figures in: $out"; failed=1; return; }
    awk -v p="$planned" -v u="$peak" -v m="$name" 'BEGIN {
        p /= 1e6; d = u > p ? u - p : p - u; limit = 0.1 * p > 32 ? 0.1 * p : 32
        printf "%s: planned %.0f MB, peak %.0f MB, difference %.0f, allowed %.0f\n", m, p, u, d, limit
        exit d > limit }' || { echo "FAILED: $name"; failed=1; }
    rm -rf "$work/run"
}

for model in ${MODELS:-nano tiny}; do
    batch=4
    [ $model = nano ] && batch=32
    options=(--data "$work/images" --model $model --batch-size $batch --epochs 0.3 --threads 2)
    for task in pretrain finetune; do
        measure "$task $model" $task "${options[@]}"
        least=$("$mixmae" plan "${options[@]}" --task $task --steps 0 --memory 1k 2>&1 | sed -n 's/.*give --memory \([0-9]*\)M.*/\1/p')
        most=$("$mixmae" plan "${options[@]}" --task $task --steps 0 | awk '$1 == "total" { print int($2 / 1e6) }')
        limit=$(((least + most) / 2))M
        measure "$task $model --memory $limit" $task "${options[@]}" --memory $limit
    done
done
exit $failed
