#!/usr/bin/env bash
# Option files and signals as a user sees them: a run with any path can be resumed, a run's file works for
# other commands, a file that is not an option file is refused, and only a training run handles a first
# SIGTERM.
. "$(dirname "$0")/../lib/lib.sh"

expect() { # as in lib.sh, but ended after two minutes: what is no file must not be waited for
    local code=$1 pattern=$2
    shift 2
    timeout 120 "$@" >"$work/out" 2>&1 </dev/null
    local got=$?
    [ $got = "$code" ] || { fail "$* exited $got, expected $code"; cat "$work/out"; }
    grep -qE -- "$pattern" "$work/out" || { fail "$*: no \"$pattern\" in:"; cat "$work/out"; }
}

small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --batch-size 4
    --epochs 1 --threads 1)
"$mixmae" synth --output "$work/images" --classes 2 --images 6 --size 32 --seed 1 --quiet || fail "synth"

# Resuming reads the same folder: longer than a line of the file, with what starts a comment, quotes, blanks. The cut
# path exists too, so a value cut short would not be noticed by its absence.
long=$(printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..120})
mkdir -p "$work/a"
number=0
for name in "$long" "a ; b" "# c" ' "quoted" ' 'back\slash\' "x = y : [z]"; do
    number=$((number + 1))
    mkdir -p "$work/$number/$name"
    cp -r "$work/images/." "$work/$number/$name"
    (cd "$work/$number" && expect 0 "finished" "$mixmae" pretrain --data="$name" --output run "${small[@]}"; exit $failed) || failed=1
    (cd "$work/$number" && expect 0 "nothing to do" "$mixmae" pretrain --resume run --data="$name"; exit $failed) || failed=1
done

# a run's own file describes the same model to the other commands
cd "$work/2" || exit 1
expect 0 "1 x 4 images" "$mixmae" plan --config run/options.ini --steps 0
cd - >/dev/null || exit 1
grep -q '^weight-decay = 0.05$' "$work/2/run/options.ini" || fail "0.05 is not written as 0.05"

# what is no option file
expect 2 "not a regular file" "$mixmae" plan --config "$work" --steps 0
expect 2 "not a regular file" "$mixmae" plan --config /dev/zero --steps 0
expect 2 "absent.ini" "$mixmae" plan --config "$work/absent.ini" --steps 0
head -c 2000000 /dev/zero | tr '\0' 'x' >"$work/big.ini"
expect 2 "more than the limit" "$mixmae" plan --config "$work/big.ini" --steps 0
head -c 3000 "$mixmae" >"$work/binary.ini"
expect 2 "binary.ini" "$mixmae" plan --config "$work/binary.ini" --steps 0

# the command line
expect 2 "there is no option --no-data" "$mixmae" pretrain --no-data "$work/images"
expect 2 "takes no value" "$mixmae" plan --no-norm-pix-loss=true --steps 0
expect 2 "first not above the second" "$mixmae" plan --crop-scale 1,0.2 --steps 0
expect 2 "no command nonsense" "$mixmae" help nonsense
expect 4 "cannot open --absent" "$mixmae" inspect -- --absent
"$mixmae" verify --quiet --device ref tests/golden/pretrain_64_edge.safetensors >"$work/out" || fail "verify --quiet"
[ ! -s "$work/out" ] || { fail "verify --quiet printed, though nothing is past its limit:"; cat "$work/out"; }

# signals: a benchmark has nothing to save and ends by the signal; a training run saves and says 3
"$mixmae" bench --model nano --batch-size 8 --steps 1000 >"$work/bench" 2>&1 &
pid=$!
until [ -s "$work/bench" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -TERM $pid
wait $pid
code=$?
[ $code = 143 ] || fail "bench exited $code after SIGTERM, expected 143"
"$mixmae" pretrain --data "$work/images" --output "$work/stopped" "${small[@]}" --epochs 1000000 --log-every 1 >"$work/train" 2>&1 &
pid=$!
until [ -s "$work/stopped/log.jsonl" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -TERM $pid
wait $pid
code=$?
[ $code = 3 ] || { fail "pretrain exited $code after SIGTERM, expected 3"; cat "$work/train"; }
exit $failed
