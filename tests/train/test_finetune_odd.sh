#!/usr/bin/env bash
# Odd input to a classifier: names that are not UTF-8, two classes of one name, broken images among good ones,
# weights that are not finite, a full output disk.
. "$(dirname "$0")/../lib/lib.sh"

cd "$work" || exit 1
"$mixmae" synth --output data --classes 3 --images 16 --size 32 --quiet || fail synth
tune="finetune --model nano --image-size 32 --batch-size 8 --epochs 1 --quiet"
expect 0 "" "$mixmae" $tune --data data --output run

# names that are not UTF-8, with a line break: kept apart in the log, the checkpoint and JSON
latin=$'caf\xe9' odd=$'a\nb\xff'
for part in train val; do
    mkdir -p named/$part
    i=0
    for class in data/$part/*; do
        [ $i = 0 ] && to=named/$part/$latin || to=named/$part/class$i
        cp -r "$class" "$to"
        [ $i = 0 ] && echo broken >"$to/$odd.png"
        i=$((i + 1))
    done
done
expect 0 "" "$mixmae" $tune --data named --max-bad 1 --output named_run
grep -q '"event":"broken file: [^"]*named/train/caf\\\\xe9/a\\\\x0ab\\\\xff.png' named_run/log.jsonl || fail "no broken file in named_run/log.jsonl"
expect 0 "^top-1" "$mixmae" eval --checkpoint named_run/best.safetensors --data named
expect 0 'caf\\\\xe9' "$mixmae" predict --checkpoint named_run/best.safetensors --json "$(find data/val -name '*.png' | head -n 1)"
cp "$(find data/val -name '*.png' | head -n 1)" "$odd.png"
expect 0 '"file":"a\\nb\\\\xff.png"' "$mixmae" predict --checkpoint run/best.safetensors --json "$odd.png"
expect 0 '^a\\x0ab' "$mixmae" predict --checkpoint run/best.safetensors "$odd.png"

# two classes of one name (ImageNet's crane) stay two: the second one's images are not the first one's
mkdir list
i=0
for class in data/train/*; do
    for image in "$class"/*; do echo "../$image,$i"; done >>list/train.csv
    i=$((i + 1))
done
printf 'crane\ncrane\nother\n' >list/classes.txt
expect 0 "" "$mixmae" $tune --data list/train.csv --output crane
expect 0 "48 images" "$mixmae" eval --checkpoint crane/model.safetensors --data list/train.csv --output crane_eval
[ "$(cut -d, -f1,2 crane_eval/per_class.csv | tail -n 3 | tr '\n' ' ')" = "crane,16 crane,16 other,16 " ] ||
    { fail "each crane has 16 images:"; cat crane_eval/per_class.csv; }

# a line of JSON however many classes are asked for
mkdir -p many/train
image=$(find data/train -name '*.png' | head -n 1)
for i in $(seq 80); do
    mkdir "many/train/a_class_with_quite_a_long_name_$i" && cp "$image" "many/train/a_class_with_quite_a_long_name_$i/"
done
expect 0 "" "$mixmae" $tune --data many --output many_run
expect 0 '\]\}$' "$mixmae" predict --checkpoint many_run/model.safetensors --json --top 80 "$image"
[ "$(grep -o '"class"' out | wc -l)" = 80 ] || fail "expected 80 classes in the line of JSON"

# weights that are not finite: still JSON, with null
cp run/model.safetensors nan.safetensors
size=$(od -An -tu8 -N8 nan.safetensors | tr -d ' ')
begin=$(head -c $((8 + size)) nan.safetensors | tail -c +9 | grep -ao '"head.bias":{[^}]*}' | grep -o 'offsets":\[[0-9]*' | grep -o '[0-9]*$')
printf '\000\000\300\177' | dd of=nan.safetensors bs=1 seek=$((8 + size + begin)) conv=notrunc 2>/dev/null
expect 0 '^\{"images":9,"broken":0,"top1":[0-9.]+,"top5":[0-9.]+,"loss":null\}$' "$mixmae" eval --checkpoint nan.safetensors --data data --json
expect 0 '"probability":null' "$mixmae" predict --checkpoint nan.safetensors --json "$image"

# a folder without images is named like a broken image, and the others are classified all the same
mkdir empty
expect 4 "no images in empty" "$mixmae" predict --checkpoint run/best.safetensors "$image" empty data/val
[ "$(grep -c '^data/' out)" = 10 ] || { fail "the ten images beside the empty folder:"; cat out; }

# --partial: a file of another program that lacks a tensor (words of ours made others of the same length)
LC_ALL=C sed 's/"config":/"fig-co":/; s/layers.1.blocks.0.norm1.weight/layers.1.blocks.0.norm1.wright/' run/model.safetensors >misses
expect 4 "norm1.weight is missing" "$mixmae" $tune --data data --init misses --output x
expect 0 "missing: layers.1.blocks.0.norm1.weight" "$mixmae" finetune --data data --init misses --partial --batch-size 8 --epochs 1 \
    --output partial
grep -q "left out: layers.1.blocks.0.norm1.wright" out || fail "the tensor without a place was not named"

# mostly broken: what can be read is evaluated, what cannot has its row of NaN and no part in a probe
cp -r data broken
for class in broken/train/* broken/val/*; do for i in 1 2 3 4; do echo broken >"$class/x$i.png"; done; done
expect 0 "9 images$" "$mixmae" eval --checkpoint run/best.safetensors --data broken
grep -q "12 images could not be read" out || fail "12 broken images were not counted"
expect 0 "" "$mixmae" eval --checkpoint run/best.safetensors --data broken --output broken_eval
expect 0 "" "$mixmae" $tune --data broken --max-bad 0.6 --output broken_run
expect 4 "12 of 21 images could not be read" "$mixmae" embed --checkpoint run/model.safetensors --data broken/val --output f.npy
expect 0 "" "$mixmae" probe --checkpoint run/model.safetensors --data data --epochs 0
cp out whole
expect 0 "48 training and 9 held-out images" "$mixmae" probe --checkpoint run/model.safetensors --data broken --epochs 0
diff <(grep k-NN whole) <(grep k-NN out) || fail "broken images changed the neighbours"
expect 0 "steps of 48" "$mixmae" probe --checkpoint run/model.safetensors --data broken --epochs 2 --views 2
rm broken/val/*/0*
expect 4 "none of the 12 images could be read" "$mixmae" eval --checkpoint run/best.safetensors --data broken
expect 4 "12 of 12 images could not be read" "$mixmae" embed --checkpoint run/model.safetensors --data broken/val --output f.npy
expect 4 "none of the 12 images" "$mixmae" probe --checkpoint run/model.safetensors --data broken

# a refused run leaves no folder; an odd batch that nothing mixes needs no warning
expect 4 "has 3; --channels 3 fits all of them" "$mixmae" $tune --data data --channels 4 --mean 0,0,0,0 --std 1,1,1,1 --output refused
[ -e refused ] && fail "a refused run left its folder"
expect 0 "" "$mixmae" finetune --model nano --image-size 32 --batch-size 7 --epochs 1 --mixup 0 --cutmix 0 --data data --output seven
grep -q "odd batch" out && fail "a warning of mixing where nothing is mixed"

# Ctrl-C leaves no half-written files
mkdir -p long/0
for i in $(seq 400); do ln "$image" "long/0/$i.png"; done
for i in $(seq 24); do cp -rl long/0 "long/$i"; done # 10,000 images
begun() { compgen -G './*.tmp' || compgen -G 'stopped/*.tmp'; }
stop() {
    "$mixmae" "$@" >out 2>&1 & pid=$!
    for _ in $(seq 400); do begun >/dev/null && break; sleep 0.01; done
    kill -TERM $pid
    wait $pid
    [ $? = 3 ] || { fail "$1 did not say that it was stopped:"; cat out; }
    begun && fail "$1 left a temporary file"
}
stop embed --checkpoint run/model.safetensors --data long --layer stage1 --threads 1 --batch-size 4 --output stopped.npy
stop pack --data long --threads 1 --output stopped

# results that cannot be written are an error
if [ -w /dev/full ]; then
    "$mixmae" predict --checkpoint run/best.safetensors "$image" >/dev/full 2>out
    [ $? = 4 ] || fail "predict to a full disk must exit with 4"
    grep -q "standard output" out || { fail "no word of the standard output:"; cat out; }
fi
exit $failed
