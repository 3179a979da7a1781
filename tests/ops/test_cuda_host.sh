#!/usr/bin/env bash
# The CUDA backend, emulated (cuda-host): every command gives cpu's results within the limits of each type; the same bytes
# twice, under every order of threads and blocks, and after a kill. Golden numbers: tests/model/test_golden.sh.
. "$(dirname "$0")/../lib/lib.sh"
"$mixmae" --version | grep -q '^backends.*cuda-host' || { echo "skipped: this build has no emulated GPU"; exit 77; }
near=$build/near
small=(--model nano --image-size 32 --embed-dim 16 --depths 1,1,1 --num-heads 1,1,2 --decoder-dim 32 --decoder-depth 1 --decoder-num-heads 2)
both() { # NAME COMMAND...: the command for each backend, with $B for its folder in the arguments
    local name=$1 b
    shift
    for b in cpu cuda-host; do
        "$mixmae" "${@//\$B/$work/$b}" --device $b --threads 2 >"$work/$name.$b" 2>&1 </dev/null || { fail "$name on $b exited $?"; cat "$work/$name.$b"; }
    done
}
close() { # LIMIT FILE: below the backends' folders
    "$near" "$1" "$work/cpu/$2" "$work/cuda-host/$2" >"$work/near" || fail "$2: $(cat "$work/near")"
}
# LIMIT NAME: the numbers of two outputs or logs agree, token by token, within LIMIT of the larger of each and 1
agree() {
    paste -d ' ' <(tr -sc '0-9.e+-' '\n' <"$2") <(tr -sc '0-9.e+-' '\n' <"$3") | awk -v limit="$1" '
        $1 ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ { m = $1 < 0 ? -$1 : $1; if (m < 1) m = 1; d = $1 - $2; if (d < 0) d = -d; n++; if (NF < 2 || d > limit * m) { print "differs: " $1 " " $2; bad = 1 } }
        END { exit bad || !n }' || fail "$2 and $3 disagree"
}
numbers() { sed -E 's/"(images_per_second|wait_share)":[^,}]*,?//g' "$1/log.jsonl"; }

mkdir "$work/cpu" "$work/cuda-host"
"$mixmae" synth --output "$work/s" --classes 4 --images 6 --size 32 --seed 3 --quiet

# ---- training: accumulation, an average, held-out images; fine-tuning with mixup and drop path
for dtype in f32 bf16; do
    limit=1e-4
    [ $dtype = f32 ] || limit=3e-3
    both pretrain pretrain --data "$work/s" "${small[@]}" --batch-size 4 --accum-steps 2 --epochs 2 --ema 0.9 --picture-every -1 --dtype $dtype --quiet --output "\$B/p$dtype"
    agree $limit <(numbers "$work/cpu/p$dtype" | sed 's/"grad_norm":[^,]*,//') <(numbers "$work/cuda-host/p$dtype" | sed 's/"grad_norm":[^,]*,//')
    close $limit p$dtype/model.safetensors
    both finetune finetune --data "$work/s" --init "$work/cpu/p$dtype/model.safetensors" --batch-size 4 --epochs 1 --drop-path 0.3 --dtype $dtype --quiet --output "\$B/t$dtype"
    close 3e-3 t$dtype/model.safetensors
done

# ---- the same bytes: twice under other orders, and after a kill between two saves
again=(pretrain --data "$work/s" "${small[@]}" --batch-size 4 --accum-steps 2 --epochs 2 --ema 0.9 --picture-every -1 --device cuda-host --threads 2 --dtype bf16 --quiet)
for order in reversed 5; do
    MX_CUDA_ORDER=$order "$mixmae" "${again[@]}" --output "$work/$order" || fail "order $order"
    same "$work/$order/state.safetensors" "$work/cuda-host/pbf16/state.safetensors"
done
MX_CUDA_ORDER=7 "$mixmae" finetune --data "$work/s" --init "$work/cpu/pbf16/model.safetensors" --batch-size 4 --epochs 1 --drop-path 0.3 --dtype bf16 --device cuda-host --threads 2 --quiet --output "$work/t7" || fail "fine-tuning in another order"
same "$work/t7/state.safetensors" "$work/cuda-host/tbf16/state.safetensors"
"$mixmae" "${again[@]}" --save-every 1 --output "$work/k" >/dev/null 2>&1 &
while kill -0 $! 2>/dev/null && [ ! -s "$work/k/state.safetensors" ]; do sleep 0.02; done
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
"$mixmae" pretrain --resume "$work/k" --quiet >/dev/null || fail "resume"
same "$work/k/model.safetensors" "$work/cuda-host/pbf16/model.safetensors"

# ---- use
c=$work/cpu/tf32/best.safetensors
both eval eval --checkpoint "$c" --data "$work/s" --batch-size 3 --dtype f32
agree 1e-4 <(grep top-1 "$work/eval.cpu") <(grep top-1 "$work/eval.cuda-host")
both predict predict --checkpoint "$c" --dtype f32 "$work"/s/val/*/*.png
agree 2e-2 <(grep -v device "$work/predict.cpu" | grep %) <(grep % "$work/predict.cuda-host") # printed with two digits
for layer in pooled stage1; do
    both embed embed --checkpoint "$c" --data "$work/s" --layer $layer --batch-size 5 --dtype f32 --output "\$B/$layer.npy"
    close 1e-5 $layer.npy
done
both probe probe --checkpoint "$work/cpu/pf32/model.safetensors" --data "$work/s" --epochs 2 --dtype f32
agree 1e-3 <(grep top-1 "$work/probe.cpu") <(grep top-1 "$work/probe.cuda-host")
both reconstruct reconstruct --checkpoint "$work/cpu/pf32/model.safetensors" --images "$work"/s/val/*/00000.png --dtype f32 --output "\$B/g.png"
[ -s "$work/cuda-host/g.png" ] || fail "no picture"
both bench bench "${small[@]}" --batch-size 2 --steps 1
both plan plan "${small[@]}" --batch-size 2 --steps 1
grep -q '^ *device' "$work/plan.cuda-host" || fail "no device memory in the plan: $(cat "$work/plan.cuda-host")"
MX_CUDA_MEMORY=40000000 expect 1 "allocat|memory" "$mixmae" bench --model micro --batch-size 64 --device cuda-host --steps 1
exit $failed
