#!/usr/bin/env bash
# `mixmae convert` as a user sees it: conversion there and back without a change, loading the results,
# refusals.
. "$(dirname "$0")/../lib/lib.sh"

cd "$work" || exit 1
"$mixmae" synth --output data --classes 3 --images 8 --size 32 --quiet || fail synth
small="--embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 48 --decoder-depth 1 --batch-size 8 --epochs 1 --quiet"
"$mixmae" pretrain --data data --model micro $small --decoder-num-heads 6 --no-norm-pix-loss --output pre --picture-every -1 ||
    fail pretrain
"$mixmae" finetune --data data --init pre/model.safetensors --batch-size 8 --epochs 1 --quiet --output tuned || fail finetune

# a model, a run's state and a classifier with its classes' names: there and back is the same file
for model in pre tuned; do
    expect 0 "custom|micro" "$mixmae" convert $model/model.safetensors --output there.pth
    expect 0 "custom|micro" "$mixmae" convert there.pth --output back.safetensors
    same $model/model.safetensors back.safetensors
    expect 0 "" "$mixmae" convert $model/model.safetensors --output again.pth
    same there.pth again.pth
done
expect 0 "PyTorch checkpoint" "$mixmae" inspect there.pth
grep -q "model.head.weight .*F32 .*3,64" out || fail "the head is not listed"
expect 0 "" "$mixmae" convert pre/state.safetensors --output state.pt
expect 0 "" "$mixmae" convert state.pt --output back.safetensors
same pre/model.safetensors back.safetensors
expect 0 "images.* \\[N,3,32,32\\]: N is free, height and width are fixed" "$mixmae" convert there.pth --output model.onnx
expect 2 "model of 32x32 pixels, and convert keeps that size.*only the batch is free" "$mixmae" convert tuned/model.safetensors --image-size 64 --output x.onnx
expect 0 "resized" "$mixmae" finetune --data data --init tuned/model.safetensors --image-size 64 --batch-size 8 --epochs 1 --output larger
expect 0 "" "$mixmae" convert tuned/model.safetensors --output direct.onnx
same model.onnx direct.onnx

# a .pth serves wherever a model is opened
"$mixmae" convert pre/model.safetensors --output pre.pth >/dev/null
expect 0 "" "$mixmae" reconstruct --checkpoint pre.pth --images data/train/*/*.png --output grid.png

# an encoder of 3 channels for grey images: only when asked for, and what is suggested works
tune="--data data --init pre/model.safetensors --batch-size 8 --epochs 1 --aa none"
loud=${small/--quiet/}
expect 2 "trained with 3 \(--adapt-channels" "$mixmae" finetune $tune --channels 1 --output grey
expect 0 "adapted +patch_embed.proj.weight from 3 channels to 1" "$mixmae" finetune $tune --channels 1 --adapt-channels --output grey1
expect 2 "found 3: --channels 3 .*--adapt-channels adapts" "$mixmae" pretrain --data data --model micro $loud --decoder-num-heads 6 \
    --init pre/model.safetensors --channels 1 --output grey2 --picture-every -1
expect 0 "adapted +patch_embed.proj.weight" "$mixmae" pretrain --data data --model micro $loud --decoder-num-heads 6 \
    --init pre/model.safetensors --channels 1 --adapt-channels --output grey3 --picture-every -1

# --weights of our own files
expect 0 "" "$mixmae" convert pre/state.safetensors --weights model --output back.safetensors
same pre/model.safetensors back.safetensors
expect 2 "holds no moving average" "$mixmae" convert pre/state.safetensors --weights ema --output x.safetensors
expect 2 "expected one of what the file holds: model" "$mixmae" reconstruct --checkpoint pre.pth --weights other \
    --images data/train/*/*.png --output x.png

# refusals; an output that was there stays
expect 2 "needs one file and --output" "$mixmae" convert pre.pth
expect 2 "ends in .pth" "$mixmae" convert pre.pth --output model.bin
expect 2 "holds its whole configuration" "$mixmae" convert pre/model.safetensors --output x.pth --model base
head -c 3000 pre.pth >cut.pth
cp back.safetensors kept.safetensors
expect 4 "cut.pth: .*zip" "$mixmae" convert cut.pth --output back.safetensors
same back.safetensors kept.safetensors
expect 4 "no/folder" "$mixmae" convert pre.pth --output no/folder/x.pth
expect 4 "nowhere" "$mixmae" convert nowhere.pth --output x.safetensors
printf 'not a model' >text.pth
expect 4 "text.pth" "$mixmae" convert text.pth --output x.safetensors
ls ./*.tmp* >/dev/null 2>&1 && fail "a temporary file is left"
exit $failed
