#!/usr/bin/env bash
# A temporary system error (a network disk's hiccup, no free file numbers) is retried or reported. It never
# changes the data or the recipe silently. A preloaded library makes chosen calls fail.
. "$(dirname "$0")/../lib/lib.sh"
cd "$work" || exit 1
cc -shared -fPIC -o faults.so "$source/tests/lib/faults.c" -ldl || { echo "skipped: no compiler"; exit 77; }
LD_PRELOAD=$work/faults.so "$mixmae" --version >/dev/null 2>&1 || { echo "skipped: nothing can be preloaded here"; exit 77; }
faulty() { # CALL PATH FROM TO COMMAND...
    FAULT_CALL=$1 FAULT_PATH=$2 FAULT_FROM=$3 FAULT_TO=$4 LD_PRELOAD=$work/faults.so "${@:5}" >out 2>&1 </dev/null
}

"$mixmae" synth --output data --classes 2 --images 8 --size 32 --seed 3 --quiet || fail synth
picture=$(cd data/train && find . -name '*.png' | sort | sed -n '3s#^\./##p')
run=("$mixmae" pretrain --data data --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32
     --decoder-depth 1 --batch-size 4 --epochs 2 --threads 1 --dtype f32 --picture-every -1)
"${run[@]}" --output plain --quiet || fail "the undisturbed run"

# a file that cannot be looked at for a moment: the same run; for longer: an error that names it, and no folder
faulty stat "$picture" 1 2 "${run[@]}" --output brief || { fail "two failed stats ended the run"; cat out; }
cmp plain/state.safetensors brief/state.safetensors || fail "two failed stats changed the run"
faulty stat "$picture" 1 1000 "${run[@]}" --output long
[ $? = 4 ] && grep -q "cannot look at .*Input/output error" out || { fail "a stat that always fails"; cat out; }
[ -e long ] && fail "a run's folder was left"

# a lock that cannot be opened, looked at or taken for good: the call and its cause, never "is locked"
lock_fails() { # CALL PATH WHAT
    faulty "$1" "$2" 1 1000 "${run[@]}" --output lock-"$1"
    [ $? = 4 ] && grep -qE "cannot $3 .*/.lock: (Too many open files|Input/output error)" out && ! grep -q "is locked" out || { fail "a lock's $1"; cat out; }
    "${run[@]}" --output lock-"$1" >out 2>&1 || { fail "after a lock's $1 the run cannot begin"; cat out; }
}
lock_fails open /.lock "open"
lock_fails stat /.lock "look at"
# a file system without locks: the run goes on without one
faulty lock "" 1 1000 "${run[@]}" --output unlocked || { fail "no locks ended the run"; cat out; }
cmp plain/state.safetensors unlocked/state.safetensors || fail "no locks changed the run"

# --init that cannot be opened once is opened; that cannot for longer, whichever time: an error, or the same recipe
tune=("$mixmae" finetune --data data --init plain/model.safetensors --batch-size 4 --epochs 1 --threads 1 --dtype f32)
"${tune[@]}" --output tuned --quiet || fail "the undisturbed fine-tuning"
faulty open plain/model.safetensors 1 1 "${tune[@]}" --output once || { fail "one failed open ended the run"; cat out; }
cmp tuned/state.safetensors once/state.safetensors || fail "one failed open changed the run"
refused=0
for call in 1 2 3 4 5 6; do
    if faulty open plain/model.safetensors $call $((call + 9)) "${tune[@]}" --output tuned$call; then
        diff <(grep -vE '^(output|quiet) ' tuned/options.ini) <(grep -vE '^(output|quiet) ' tuned$call/options.ini) || fail "open $call: another recipe"
    else
        refused=$((refused + 1))
        grep -q "Too many open files" out || { fail "open $call: no cause"; cat out; }
    fi
done
[ $refused -gt 0 ] || fail "no open of --init was ever failed"
exit $failed
