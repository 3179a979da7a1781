#!/usr/bin/env bash
# Naming data on the command line: the first messages, parts, shares, two data sets, columns, labels.
. "$(dirname "$0")/../lib/lib.sh"

"$mixmae" synth --output "$work/made" --classes 2 --images 12 --size 32 --quiet >/dev/null || fail "no pictures"
a=$(ls "$work/made/train" | head -1) b=$(ls "$work/made/train" | tail -1)
small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 2 --epochs 1 --threads 1)
for part in Training:8 valid:3 test:2; do
    for class in "$a" "$b"; do
        mkdir -p "$work/set/${part%:*}/$class"
        cp $(ls "$work/made/train/$class"/* | head -"${part#*:}") "$work/set/${part%:*}/$class"
    done
done

# the folders used are named first; the test part is left alone until it is asked for
expect 0 "^data +16 images in .*/set/Training$" "$mixmae" finetune --data "$work/set" "${small[@]}" --output "$work/run"
said "^held out +6 images in .*/set/valid$"
said "of 6 held-out images"
best=$work/run/best.safetensors
expect 0 ", 6 images" "$mixmae" eval --checkpoint "$best" --data "$work/set"
expect 0 ", 4 images" "$mixmae" eval --checkpoint "$best" --data "$work/set" --split test
expect 0 ", 26 images" "$mixmae" eval --checkpoint "$best" --data "$work/set" --split all
expect 2 "train, val, test or all" "$mixmae" eval --checkpoint "$best" --data "$work/set" --split tests

# parts are told by what lies in them, whatever the images are called
cp -r "$work/set" "$work/bare"
find "$work/bare" -type f | while read -r f; do mv "$f" "${f%.*}"; done
expect 0 "^data +16 images in .*/bare/Training$" "$mixmae" finetune --data "$work/bare" "${small[@]}" --output "$work/bare.run"
said "^held out +6 images in .*/bare/valid$"
mkdir "$work/three" && cp -r "$work/bare/Training/$a" "$work/three/bus" && cp -r "$work/bare/Training/$a" "$work/three/car"
cp -r "$work/bare/Training/$b" "$work/three/train" # a class like the others
expect 0 "^data +24 images in .*/three$" "$mixmae" finetune --data "$work/three" "${small[@]}" --output "$work/three.run"

# labels of embed: the classes' numbers in the training part, whichever of them the other part has
mkdir "$work/set/dev" && mv "$work/set/valid/$b" "$work/set/dev" && rm -r "$work/set/valid" # only the second class
for part in all:23 val:3; do
    expect 0 "wrote ${part#*:} rows" "$mixmae" embed --checkpoint "$best" --data "$work/set" --split "${part%:*}" --output "$work/f.safetensors"
    expect 0 "classes +\[\"$a\",\"$b\"\]" "$mixmae" inspect "$work/f.safetensors"
done
one=0100000000000000
od -An -t x1 -v "$work/f.safetensors" | tr -d ' \n' | grep -q "$one$one$one" || fail "labels of the held-out part are not the training part's"

# a share split off: every run the same one, of the training images only
expect 0 "^data +12 images in" "$mixmae" finetune --data "$work/set/Training" --val-share 0.25 "${small[@]}" --output "$work/share"
said "^held out +4 images in"
cp "$work/share/log.jsonl" "$work/first"
expect 0 "nothing to do" "$mixmae" finetune --resume "$work/share"
expect 2 "--val-share: the run to resume was started with 0.25" "$mixmae" finetune --resume "$work/share" --val-share 0.5
expect 2 "held-out part, .*dev; leave the option out" "$mixmae" finetune --data "$work/set" --val-share 0.25 "${small[@]}" --output "$work/no"
expect 2 "give one of them" "$mixmae" pretrain --data "$work/set/Training" --val-share 0.25 --val-data "$work/set/test" --output "$work/no"
expect 0 "^held out +4 images" "$mixmae" pretrain --data "$work/set/Training" --val-share 0.25 --model micro --batch-size 4 --epochs 1 --output "$work/pre"
expect 4 "--val-share 0.1 splits one off" "$mixmae" probe --checkpoint "$best" --data "$work/set/Training"
expect 0 "top-1" "$mixmae" probe --checkpoint "$best" --data "$work/set/Training" --val-share 0.1 --epochs 1
expect 0 "finished" "$mixmae" finetune --data "$work/set" --balance 1 "${small[@]}" --output "$work/even"
expect 2 "a number from 0 to 1" "$mixmae" finetune --data "$work/set" --balance 2 "${small[@]}" --output "$work/no"

# two data sets: neither is dropped without a word; an option file's is replaced
expect 2 "expected one data set, found .*Training and .*test" "$mixmae" pretrain --data "$work/set/Training" --data "$work/set/test" --output "$work/no"
printf 'data = "%s/nowhere"\n' "$work" >"$work/options.ini"
expect 0 "16 images" "$mixmae" plan --config "$work/options.ini" --data "$work/set" "${small[@]}" --steps 0
printf 'data = a\ndata = b\n' >"$work/options.ini"
expect 2 "line 2: data: expected one data set, found a second one, b" "$mixmae" plan --config "$work/options.ini" --steps 0

# columns of a list
(cd "$work/set/Training" && { echo "bild;sorte"; for f in */*; do echo "$f;${f%%/*}"; done; } >"$work/set/Training/bilder.csv")
expect 4 "--label-column" "$mixmae" finetune --data "$work/set/Training/bilder.csv" "${small[@]}" --output "$work/no"
expect 0 "16 images" "$mixmae" finetune --data "$work/set/Training/bilder.csv" --label-column sorte "${small[@]}" --output "$work/list"
expect 0 ", 16 images" "$mixmae" eval --checkpoint "$work/list/model.safetensors" --data "$work/set/Training/bilder.csv" --label-column 2

# parts or classes: what the message suggests works
mkdir -p "$work/odd" && for class in bus train test; do mkdir "$work/odd/$class" && cp "$work/set/test/$a"/* "$work/odd/$class"; done
expect 4 "classes:DIR .*split:DIR" "$mixmae" pretrain --data "$work/odd" --model micro --batch-size 2 --epochs 1 --output "$work/no"
[ ! -e "$work/no" ] || fail "a refused run left its folder"
expect 0 "^data +6 images" "$mixmae" pretrain --data "classes:$work/odd" --model micro --batch-size 2 --epochs 1 --output "$work/classes"
expect 0 "^data +2 images" "$mixmae" pretrain --data "split:$work/odd" --model micro --batch-size 2 --epochs 1 --output "$work/split"
expect 0 "nothing to do" "$mixmae" pretrain --resume "$work/classes"
exit $failed
