#!/usr/bin/env bash
# --ema: the average does not change training. The models contain it and held-out images are measured with it;
# --weights finds it in the state; a run stopped and resumed ends in the same bytes.
. "$(dirname "$0")/../lib/lib.sh"

cd "$work" || exit 1
"$mixmae" synth --output data --classes 3 --images 16 --size 32 --quiet || fail synth
small="--data data --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 8 --epochs 6 --threads 2 --quiet"
tune="finetune $small --aa none"
pre="pretrain $small --decoder-dim 48 --decoder-depth 1 --decoder-num-heads 6 --picture-every -1"

for kind in tune pre; do
    "$mixmae" ${!kind} --output $kind.plain || fail "$kind"
    "$mixmae" ${!kind} --ema 0.9 --output $kind.ema || fail "$kind --ema"
    "$mixmae" convert $kind.ema/state.safetensors --weights model --output w.safetensors >/dev/null || fail convert
    same $kind.plain/model.safetensors w.safetensors
    "$mixmae" convert $kind.ema/state.safetensors --weights ema --output w.safetensors >/dev/null || fail convert
    same $kind.ema/model.safetensors w.safetensors
    other $kind.ema/model.safetensors $kind.plain/model.safetensors
    # threads change nothing
    "$mixmae" ${!kind} --ema 0.9 --threads 1 --output $kind.one || fail "$kind --threads 1"
    same $kind.ema/state.safetensors $kind.one/state.safetensors
    # stopped in the middle (the log tells when) and resumed
    "$mixmae" ${!kind} --ema 0.9 --save-every 1 --log-every 1 --output $kind.stopped & pid=$!
    for ((i = 0; i < 600; i++)); do
        [ "$(wc -l 2>/dev/null <$kind.stopped/log.jsonl)" -ge 3 ] 2>/dev/null && break
        sleep 0.05
    done
    kill -TERM $pid 2>/dev/null
    wait $pid
    "$mixmae" ${!kind%% *} --resume $kind.stopped --quiet || fail "$kind --resume"
    same $kind.ema/state.safetensors $kind.stopped/state.safetensors
    same $kind.ema/model.safetensors $kind.stopped/model.safetensors
done
# what was logged of the last epoch is the exported model's
logged=$(grep -o '"val_loss":[0-9.]*' tune.ema/log.jsonl | tail -1 | cut -d: -f2)
evaluated=$("$mixmae" eval --checkpoint tune.ema/model.safetensors --data data --json 2>/dev/null | grep -o '"loss": *[0-9.]*' | grep -o '[0-9.]*$')
awk -v a="$logged" -v b="$evaluated" 'BEGIN { exit !(a != "" && b != "" && a - b < 1e-5 && b - a < 1e-5) }' || fail "val_loss $logged, eval $evaluated"
# every command that opens the state takes either
"$mixmae" eval --checkpoint tune.ema/state.safetensors --weights ema --data data --json >a.json 2>/dev/null || fail "eval --weights ema"
"$mixmae" eval --checkpoint tune.ema/model.safetensors --data data --json >b.json 2>/dev/null
same a.json b.json
for weights in model ema; do
    "$mixmae" embed --checkpoint tune.ema/state.safetensors --weights $weights --data data --output $weights.npy --quiet || fail embed
done
other model.npy ema.npy
"$mixmae" inspect tune.ema/state.safetensors | grep -q "ema.head.weight" || fail "inspect"
exit $failed
