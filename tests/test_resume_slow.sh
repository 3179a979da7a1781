#!/usr/bin/env bash
# The kill test: a run killed with -9 at 20 random moments and resumed each time ends in the same bytes as one that was
# not. SIGTERM saves and leaves with code 3. The bytes do not depend on threads or workers.
set -u
mixmae=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

"$mixmae" synth --output "$work/images" --classes 4 --images 24 --size 32 --seed 2 --quiet
options=(--data "$work/images" --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1
         --batch-size 4 --accum-steps 2 --epochs 40 --save-every 3 --log-every 2 --picture-every -1 --threads 2 --workers 2 --quiet)

start=$(date +%s%N)
"$mixmae" pretrain "${options[@]}" --output "$work/whole" || fail "the whole run failed"
whole_ms=$((($(date +%s%N) - start) / 1000000))
echo "the whole run took $whole_ms ms"

RANDOM=20261
kills=0
"$mixmae" pretrain "${options[@]}" --output "$work/killed" &
for round in $(seq 200); do
    pid=$!
    if [ $kills -lt 20 ]; then
        # up to a twentieth of the whole run and start-up, so that 20 kills fall all over it
        sleep "$(awk -v m=$((whole_ms / 20 + 60)) -v r=$RANDOM 'BEGIN { printf "%.3f", (20 + r % m) / 1000 }')"
        kill -9 $pid 2>/dev/null && kills=$((kills + 1))
        wait $pid 2>/dev/null
        code=$?
        if [ -f "$work/killed/model.safetensors" ]; then
            "$mixmae" inspect "$work/killed/model.safetensors" >/dev/null || fail "the checkpoint after kill $kills is damaged"
        fi
        [ $code = 0 ] && break
    else
        wait $pid || fail "the last leg exited $?"
        break
    fi
    if [ -f "$work/killed/options.ini" ]; then
        "$mixmae" pretrain --resume "$work/killed" --quiet &
    else
        rm -rf "$work/killed" # killed before it had written anything
        "$mixmae" pretrain "${options[@]}" --output "$work/killed" &
    fi
done
echo "$kills kills"
[ $kills = 20 ] || fail "the run ended after $kills kills"
for file in model.safetensors state.safetensors; do
    cmp "$work/whole/$file" "$work/killed/$file" || fail "$file differs after kills"
done
# the log has each step once, as if it had never stopped (rates and waiting times are of this machine, not of the run)
steps() { grep -o '"loss":[^,]*\|"step":[0-9]*' "$1/log.jsonl"; }
cmp <(steps "$work/whole") <(steps "$work/killed") || fail "log.jsonl differs after kills"

"$mixmae" pretrain "${options[@]}" --output "$work/term" &
pid=$!
sleep "$(awk -v m=$whole_ms 'BEGIN { printf "%.3f", m / 3000 }')"
kill -TERM $pid
wait $pid
code=$?
[ $code = 3 ] || fail "SIGTERM: exit code $code, expected 3"
"$mixmae" pretrain --resume "$work/term" --quiet --threads 1 --workers 0 || fail "resume after SIGTERM failed"
cmp "$work/whole/model.safetensors" "$work/term/model.safetensors" || fail "bytes differ after SIGTERM"

for threads in 1 3 8 16; do
    "$mixmae" pretrain "${options[@]}" --output "$work/t$threads" --threads $threads --workers $((threads % 4)) --epochs 40 || fail "--threads $threads failed"
    cmp "$work/whole/model.safetensors" "$work/t$threads/model.safetensors" || fail "bytes differ with --threads $threads"
done
exit $failed
