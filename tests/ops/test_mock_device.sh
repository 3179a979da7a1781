#!/usr/bin/env bash
# Separate memory, as on a GPU: every command on the backend `mock` (cpu's kernels on separate memory, in the asan and
# debug builds) must write the same bytes as on cpu. This shows that host code makes all the uploads and downloads.
. "$(dirname "$0")/../lib/lib.sh"
"$mixmae" --version | grep -q '^backends.*mock' || { echo "skipped: this build has no mock device"; exit 77; }
small=(--model nano --embed-dim 16 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --decoder-num-heads 2)
both() { # NAME COMMAND...: the command for each backend, with $B for its name and its own folder in the arguments
    local name=$1 b
    shift
    for b in cpu mock; do
        "$mixmae" "${@//\$B/$work/$b}" --device $b --threads 2 >"$work/$name.$b" 2>&1 </dev/null || { fail "$name on $b exited $?"; cat "$work/$name.$b"; }
    done
}
same() { # FILE...: below the backends' folders
    local f
    for f in "$@"; do cmp "$work/cpu/$f" "$work/mock/$f" || fail "$f differs"; done
}
numbers() { sed -E 's/"(images_per_second|wait_share)":[^,}]*,?//g' "$work/$1/log.jsonl"; } # of a run, without its times
same_output() { cmp <(sed 's/mock/cpu/g' "$work/$1.mock") <(sed 's/mock/cpu/g' "$work/$1.cpu") || { fail "$1 printed:"; cat "$work/$1.mock"; }; }

mkdir "$work/cpu" "$work/mock"
"$mixmae" synth --output "$work/s" --classes 4 --images 6 --size 64 --seed 3 >/dev/null 2>&1

# ---- every tensor of the golden model
for dtype in f32 bf16; do
    both golden verify --dtype $dtype tests/golden/pretrain_64.safetensors --output "\$B/golden.$dtype"
    same golden.$dtype
    same_output golden
done

# ---- training, with pictures, held-out images, accumulation, an interruption; in both precisions
for dtype in f32 bf16; do
    both pretrain pretrain --data "$work/s" "${small[@]}" --batch-size 4 --accum-steps 2 --epochs 3 --dtype $dtype --quiet --output "\$B/p$dtype"
    same "p$dtype/model.safetensors" "p$dtype/state.safetensors" "p$dtype"/pictures/step-00000009.png
    cmp <(numbers cpu/p$dtype) <(numbers mock/p$dtype) || fail "log of $dtype"
    both average pretrain --data "$work/s" "${small[@]}" --batch-size 4 --epochs 2 --ema 0.9 --dtype $dtype --quiet --output "\$B/e$dtype"
    same "e$dtype/model.safetensors" "e$dtype/state.safetensors"
    cmp <(numbers cpu/e$dtype) <(numbers mock/e$dtype) || fail "log of $dtype with an average"
    [ "$(numbers mock/p$dtype | grep -c val_loss)" = 3 ] || fail "no held-out loss: $(numbers mock/p$dtype)"
done
for b in cpu mock; do # saved after every step, killed on the way: resuming reads what a download wrote
    "$mixmae" pretrain --data "$work/s" "${small[@]}" --batch-size 4 --accum-steps 2 --epochs 3 --save-every 1 --dtype f32 --device $b --quiet --output "$work/$b/k" >/dev/null 2>&1 &
    while kill -0 $! 2>/dev/null && [ ! -s "$work/$b/k/state.safetensors" ]; do sleep 0.02; done
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    "$mixmae" pretrain --resume "$work/$b/k" --quiet >/dev/null || fail "resume on $b"
done
same k/model.safetensors k/state.safetensors
cmp "$work/cpu/k/model.safetensors" "$work/cpu/pf32/model.safetensors" || fail "resumed to another end"
# A run that stops before the results of its steps are read must not lose them.
long=(pretrain --data "$work/s" "${small[@]}" --batch-size 4 --epochs 12 --log-every 1000 --picture-every -1 --quiet)
for b in cpu mock; do
    "$mixmae" "${long[@]}" --device $b --output "$work/$b/i" >/dev/null 2>&1 &
    until [ -s "$work/$b/i/log.jsonl" ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done # held-out loss of the first epoch
    sleep 0.1
    kill -INT $!
    wait $!
    code=$?
    [ $code = 3 ] || fail "a stop on $b exited $code"
    "$mixmae" pretrain --resume "$work/$b/i" --quiet >/dev/null || fail "resume after a stop on $b"
done
"$mixmae" "${long[@]}" --device cpu --output "$work/cpu/whole" >/dev/null 2>&1
same i/model.safetensors i/state.safetensors
cmp "$work/cpu/whole/state.safetensors" "$work/mock/i/state.safetensors" || fail "a stopped run's state on mock"
both finetune finetune --data "$work/s" --init "$work/cpu/pf32/model.safetensors" --batch-size 4 --accum-steps 2 --epochs 2 --drop-path 0.3 --quiet --output "\$B/t"
same t/model.safetensors t/best.safetensors t/state.safetensors
cmp <(numbers cpu/t) <(numbers mock/t) || fail "log of fine-tuning"

# ---- use
c=$work/cpu/t/best.safetensors
both eval eval --checkpoint "$c" --data "$work/s" --batch-size 5 --output "\$B/e"
same_output eval
same e/confusion.csv
both predict predict --checkpoint "$c" "$work"/s/val/*/*.png
same_output predict
for layer in pooled tokens stage2; do
    both embed embed --checkpoint "$c" --data "$work/s" --layer $layer --batch-size 3 --output "\$B/$layer.npy"
    same $layer.npy
done
both probe probe --checkpoint "$work/cpu/pf32/model.safetensors" --data "$work/s" --epochs 2
same_output probe
both reconstruct reconstruct --checkpoint "$work/cpu/pf32/model.safetensors" --images "$work"/s/val/*/00000.png --output "\$B/g.png"
same g.png
both bench bench "${small[@]}" --batch-size 2 --steps 1
both plan plan "${small[@]}" --batch-size 2 --steps 2
part() { awk -v p="$2" '$1 == p { print $2 }' "$work/$1"; } # bytes of a part of the planned memory
for p in state tables; do [ "$(part plan.mock $p)" = "$(part plan.cpu $p)" ] || fail "planned $p differs"; done
[ "$(part plan.mock arena)" -ge "$(part plan.cpu arena)" ] || fail "images are staged on the arena"
[ "$(part plan.mock device)" = $(($(part plan.mock arena) + $(part plan.mock state) + $(part plan.mock tables))) ] || fail "planned device memory"
[ "$(part plan.mock total)" = $(($(part plan.cpu total) - $(part plan.cpu arena))) ] || fail "the arena is the device's"
[ -z "$(part plan.cpu device)" ] || fail "cpu has no device"
# --memory limits the device's memory: here to less than a step needs there without recomputing.
limit=$(($(part plan.mock device) - 50000))
"$mixmae" plan "${small[@]}" --batch-size 2 --steps 0 --memory $limit --device mock >"$work/limit.mock" 2>&1
[ "$(part limit.mock device)" -le $limit ] && grep -q 'recompute.*more work' "$work/limit.mock" || fail "--memory on a device: $(cat "$work/limit.mock")"
exit $failed
