#!/usr/bin/env bash
# The kill test: a run killed with -9 at 20 random moments and resumed each time ends in the same bytes as an
# uninterrupted run. SIGTERM saves and exits with code 3. The bytes do not depend on threads or workers.
. "$(dirname "$0")/../lib/lib.sh"

"$mixmae" synth --output "$work/images" --classes 4 --images 24 --size 32 --seed 2 --quiet
options=(--data "$work/images" --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1
         --batch-size 4 --accum-steps 2 --epochs 40 --save-every 3 --log-every 2 --picture-every -1 --threads 2 --workers 2 --quiet)

start=$(date +%s%N)
"$mixmae" pretrain "${options[@]}" --output "$work/whole" || fail "the whole run failed"
whole_ms=$((($(date +%s%N) - start) / 1000000))
echo "the whole run took $whole_ms ms"

# the log has each step once, as if it had never stopped (rates and waiting times are of this machine, not of the run)
steps() { grep -o '"loss":[^,]*\|"step":[0-9]*' "$1/log.jsonl"; }
same_as_whole() {
    for file in model.safetensors state.safetensors; do
        cmp "$work/whole/$file" "$1/$file" || fail "$file differs after kills"
    done
    cmp <(steps "$work/whole") <(steps "$1") || fail "log.jsonl differs after kills"
}

# 20 kills at random moments of a run's legs, each up to a twentieth of the whole run long. A run that ends before all
# kills are done (the machine may have become faster) is compared and another one is begun.
RANDOM=20261
kills=0 runs=0
while [ $kills -lt 20 ] && [ $runs -lt 20 ]; do
    run=$work/killed$runs runs=$((runs + 1))
    while :; do
        if [ -f "$run/options.ini" ]; then
            "$mixmae" pretrain --resume "$run" --quiet &
        else
            rm -rf "$run" # killed before it had written anything
            "$mixmae" pretrain "${options[@]}" --output "$run" &
        fi
        pid=$!
        if [ $kills -lt 20 ]; then
            sleep "$(awk -v m=$((whole_ms / 20 + 60)) -v r=$RANDOM 'BEGIN { printf "%.3f", (20 + r % m) / 1000 }')"
            kill -9 $pid 2>/dev/null
        fi
        wait $pid 2>/dev/null
        code=$?
        [ $code = 0 ] && break
        [ $code = 137 ] || { fail "a leg ended with code $code"; break 2; }
        kills=$((kills + 1))
        if [ -f "$run/model.safetensors" ]; then
            "$mixmae" inspect "$run/model.safetensors" >/dev/null || fail "the checkpoint after kill $kills is damaged"
        fi
    done
    same_as_whole "$run"
    compgen -G "$run/*.tmp" && fail "what a killed process had half written is left"
done
echo "$kills kills in $runs runs"
[ $kills = 20 ] || fail "only $kills kills"

# SIGTERM saves and leaves with code 3; sooner when the run was over before the signal
for part in 3 6 12 24 48; do
    rm -rf "$work/term"
    "$mixmae" pretrain "${options[@]}" --output "$work/term" &
    pid=$!
    sleep "$(awk -v m=$whole_ms -v p=$part 'BEGIN { printf "%.3f", m / p / 1000 }')"
    kill -TERM $pid 2>/dev/null
    wait $pid
    code=$?
    [ $code = 0 ] || break
done
[ $code = 3 ] || fail "SIGTERM: exit code $code, expected 3"
"$mixmae" pretrain --resume "$work/term" --quiet --threads 1 --workers 0 || fail "resume after SIGTERM failed"
same_as_whole "$work/term"

for threads in 1 3 8 16; do
    "$mixmae" pretrain "${options[@]}" --output "$work/t$threads" --threads $threads --workers $((threads % 4)) --epochs 40 || fail "--threads $threads failed"
    cmp "$work/whole/model.safetensors" "$work/t$threads/model.safetensors" || fail "bytes differ with --threads $threads"
done
exit $failed
