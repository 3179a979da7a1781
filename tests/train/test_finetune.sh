#!/usr/bin/env bash
# Fine-tuning and its uses, as a user sees them: finetune with resume, eval, predict, embed, probe.
. "$(dirname "$0")/../lib/lib.sh"

cd "$work" || exit 1
"$mixmae" synth --output data --classes 3 --images 16 --size 32 --quiet || fail synth
"$mixmae" pretrain --data data --model nano --image-size 32 --batch-size 8 --epochs 1 --output pre --picture-every -1 \
    --quiet || fail pretrain
small="--data data --init pre/model.safetensors --batch-size 8 --drop-path 0.2 --quiet"

# the same bytes whatever the threads and workers; best and last model; the log of an epoch
expect 0 "" "$mixmae" finetune $small --epochs 3 --threads 1 --workers 0 --output a
expect 0 "" "$mixmae" finetune $small --epochs 3 --threads 3 --workers 2 --output b
same a/model.safetensors b/model.safetensors
same a/best.safetensors b/best.safetensors
[ "$(grep -c val_top1 a/log.jsonl)" = 3 ] || fail "expected three evaluations in a/log.jsonl"
grep -q "top-1" a/report.html || fail "no accuracy in the report"
expect 0 '\["[a-z]' "$mixmae" inspect a/best.safetensors
grep -q "head.weight" out || fail "no head in the model"
grep -q "decoder" out && fail "a decoder in the classifier"

# stopped and resumed is never stopped; the wrong command and changed options are refused
"$mixmae" finetune $small --epochs 12 --output whole
"$mixmae" finetune $small --epochs 12 --output cut & pid=$!
for _ in $(seq 600); do [ "$(grep -c val_top1 cut/log.jsonl 2>/dev/null)" -ge 2 ] 2>/dev/null && break; sleep 0.05; done
kill -TERM $pid
wait $pid
[ $? = 3 ] || fail "a stopped run must exit with 3"
expect 2 "that is a run of finetune" "$mixmae" pretrain --resume cut
expect 2 "started with 0.8" "$mixmae" finetune --resume cut --mixup 0.5
expect 0 "" "$mixmae" finetune --resume cut
for f in model best state; do same whole/$f.safetensors cut/$f.safetensors; done
diff <(grep val_top1 whole/log.jsonl) <(grep val_top1 cut/log.jsonl) >/dev/null || fail "the resumed log differs"

# another resolution; from scratch; a kept head; a share of the labels
expect 0 "resized   .* tables" "$mixmae" finetune --data data --init pre/model.safetensors --image-size 64 --batch-size 8 \
    --epochs 1 --output large
expect 0 "0.5 M parameters" "$mixmae" finetune --data data --model nano --image-size 32 --batch-size 8 --epochs 1 --output scratch
grep -q "layer-decay = 1$" scratch/options.ini || fail "from scratch there is no layer decay"
expect 0 "" "$mixmae" finetune $small --init a/best.safetensors --keep-head --epochs 1 --output again
expect 0 "24 images" "$mixmae" finetune --data data --init pre/model.safetensors --batch-size 8 --epochs 1 \
    --label-fraction 0.5 --output half

# what cannot work is said
expect 2 "needed: the pretrained checkpoint" "$mixmae" finetune --data data --output x
expect 2 "is odd" "$mixmae" finetune $small --batch-size 7 --output x
expect 2 "unknown|--aa" "$mixmae" finetune $small --aa rand-q9 --output x
expect 2 "expected pixel, rand or const" "$mixmae" finetune $small --remode paint --output x
expect 4 "has no head" "$mixmae" finetune $small --keep-head --output x
expect 4 "no classes to learn" "$mixmae" finetune --data data/train/"$(ls data/train | head -n 1)" --init pre/model.safetensors --output x
expect 2 "layers.0.blocks.1" "$mixmae" finetune $small --depths 2,1,2 --output x
expect 0 "left as first drawn: layers.0.blocks.1.norm1.weight" "$mixmae" finetune --data data --init pre/model.safetensors \
    --batch-size 8 --epochs 1 --depths 2,1,2 --partial --output partial
[ -e x ] && fail "a refused run left its folder"
mkdir -p other && cp -r data/train other/train && mkdir -p other/val/unknown && cp "$(find data/val -name "*.png" | head -n 1)" other/val/unknown/
expect 4 "unknown" "$mixmae" finetune --data other --init pre/model.safetensors --output x

# eval agrees with the run's own evaluation, and writes its tables
expect 0 "^top-1 [0-9.]+ %, top-5 100.00 %, loss [0-9.]+, [0-9]+ images" "$mixmae" eval --checkpoint a/model.safetensors --data data \
    --output result
last=$(grep val_top1 a/log.jsonl | tail -n 1 | sed 's/.*val_top1":\([0-9.]*\).*/\1/')
expect 0 "\"top1\":${last%0000000}" "$mixmae" eval --checkpoint a/model.safetensors --data data --json
images=$(find data/val -name '*.png' | wc -l)
[ "$(wc -l <result/confusion.csv)" = 4 ] && [ "$(wc -l <result/per_class.csv)" = 4 ] || fail "tables of three classes"
[ "$(wc -l <result/predictions.csv)" = $((images + 1)) ] || fail "a prediction for each of $images images"
grep -q "Confusion matrix" result/report.html || fail "no matrix in the report"
expect 2 "without a head" "$mixmae" eval --checkpoint pre/model.safetensors --data data
expect 4 "not one of the model's 3 classes" "$mixmae" eval --checkpoint a/model.safetensors --data other

# predict: a file, a folder, a broken file beside good ones
one=$(find data/val -name '*.png' | sort | head -n 1)
expect 0 "[0-9.]+ %  [a-z]+" "$mixmae" predict --checkpoint a/best.safetensors "$one"
expect 0 '"probability":0\.' "$mixmae" predict --checkpoint a/best.safetensors --json --top 2 data/val
[ "$(wc -l <out)" = "$images" ] || fail "a line of JSON for each image"
echo "no image" >broken.png
expect 4 "broken.png" "$mixmae" predict --checkpoint a/best.safetensors broken.png "$one"
grep -q "$one" out || fail "the good image was not classified"

# embed: pooled as .npy, a stage's map as safetensors; a row of NaN for the broken file
expect 0 "wrote $images rows of 128" "$mixmae" embed --checkpoint pre/model.safetensors --data data/val --output f.npy
head -c 100 f.npy | grep -q "($images, 128,)" || fail "the header of f.npy"
[ "$(wc -c <f.npy)" = $((128 + images * 128 * 4)) ] && [ "$(wc -l <f.npy.txt)" = "$images" ] || fail "the size of f.npy"
expect 4 "1 of 2 images could not be read" "$mixmae" embed --checkpoint pre/model.safetensors --layer stage2 broken.png "$one" \
    --output maps.safetensors
expect 0 "2,4,4,64" "$mixmae" inspect maps.safetensors
grep -q "NOT FINITE" out || fail "the broken image's row must be NaN"
expect 2 "stages 1 to 3" "$mixmae" embed --checkpoint pre/model.safetensors --layer stage4 "$one" --output maps.npy

# probe: better than chance even after one epoch of pretraining, the same twice
expect 0 "k-NN   k 10 +top-1" "$mixmae" probe --checkpoint pre/model.safetensors --data data
grep -v '^machine' out >first
expect 0 "^linear +top-1" "$mixmae" probe --checkpoint pre/model.safetensors --data data --threads 1 --workers 0
grep -v '^machine' out >second
same first second
expect 0 '"probe":"linear"' "$mixmae" probe --checkpoint pre/model.safetensors --data data --views 2 --epochs 4 --json
exit $failed
