#!/usr/bin/env bash
# `mixmae pack`: any tar reader can read its output, which reads back as the same data set and is the same for
# any number of threads. Also: the other sources can be trained on through the same --data.
. "$(dirname "$0")/../lib/lib.sh"
good() { "$@" >"$work/out" 2>&1 </dev/null || { fail "$* exited $?"; cat "$work/out"; }; }

good "$mixmae" synth --output "$work/d" --classes 3 --images 5 --size 48 --seed 1
expect 0 'train  15 images of 3 classes in 3 shards' "$mixmae" pack --data "$work/d" --output "$work/p" --size 0 --shard-size 7
[ "$(ls "$work/p" | tr '\n' ' ')" = "classes.txt train-000000.tar train-000001.tar train-000002.tar val-000000.tar " ] ||
    fail "files: $(ls "$work/p")"
[ "$(cat "$work/p/classes.txt")" = "$(ls "$work/d/train")" ] || fail "classes.txt: $(cat "$work/p/classes.txt")"

# Unresized files keep their bytes, and each carries its class.
mkdir "$work/x"
for t in "$work"/p/train-*.tar; do tar -xf "$t" -C "$work/x" || fail "tar cannot read $t"; done
[ "$(ls "$work/x"/*.cls | wc -l)" = 15 ] || fail "labels: $(ls "$work/x")"
(cd "$work/d/train" && find . -name '*.png' -exec sha256sum {} + | cut -d' ' -f1 | sort) >"$work/before"
(cd "$work/x" && sha256sum ./*.png | cut -d' ' -f1 | sort) >"$work/after"
cmp -s "$work/before" "$work/after" || fail "bytes changed"
label=0
for class in $(cat "$work/p/classes.txt"); do
    (cd "$work/d/train/$class" && sha256sum ./* | cut -d' ' -f1 | sort) >"$work/before"
    (cd "$work/x" && for f in $(grep -lx "$label" ./*.cls); do sha256sum "${f%.cls}.png"; done | cut -d' ' -f1 | sort) >"$work/after"
    cmp -s "$work/before" "$work/after" || fail "images of class $class"
    label=$((label + 1))
done
tar -tvf "$work/p/train-000000.tar" | grep -v ' 1970-01-01 ' | grep -q . && fail "a date in $(tar -tvf "$work/p/train-000000.tar" | head -1)"

# The same bytes for any number of threads; another order for another seed.
for threads in 1 3; do
    good "$mixmae" pack --data "$work/d" --output "$work/t$threads" --size 32 --threads $threads
done
for f in "$work"/t1/*; do cmp "$f" "$work/t3/${f##*/}" || fail "threads change ${f##*/}"; done
good "$mixmae" pack --data "$work/d" --output "$work/t4" --size 32 --seed 9
cmp -s "$work/t1/train-000000.tar" "$work/t4/train-000000.tar" && fail "the seed changes nothing"

# Resized: JPEG of 32 pixels. Packing the packed changes nothing but the order.
mkdir "$work/y"
tar -xf "$work/t1/train-000000.tar" -C "$work/y"
[ "$(ls "$work/y"/*.jpg | wc -l)" = 15 ] || fail "resized: $(ls "$work/y" | head -3)"
for f in "$work/y"/*.jpg; do # the frame's header: 8 bits, 32 x 32, 3 channels
    od -An -v -tx1 "$f" | tr -d ' \n' | grep -q 'ffc00011080020002003' || fail "not 32 x 32: $f"
done
good "$mixmae" pack --data "$work/t1" --output "$work/again" --size 32
mkdir "$work/z"
tar -xf "$work/again/train-000000.tar" -C "$work/z"
(cd "$work/y" && sha256sum ./*.jpg | cut -d' ' -f1 | sort) >"$work/before"
(cd "$work/z" && sha256sum ./*.jpg | cut -d' ' -f1 | sort) >"$work/after"
cmp -s "$work/before" "$work/after" || fail "packing twice changed the images"
cmp -s "$work/t1/classes.txt" "$work/again/classes.txt" || fail "packing twice changed the classes"

# Training reads them: the epoch is the same with and without workers.
for workers in 0 2; do
    good "$mixmae" pretrain --data "tar:$work/t1/train-{000000..000000}.tar" --model nano --image-size 32 --window-size 4,4,2 \
        --batch-size 4 --epochs 1 --warmup-epochs 0 --threads 1 --workers $workers --quiet --output "$work/r$workers"
done
cmp "$work/r0/model.safetensors" "$work/r2/model.safetensors" || fail "workers change the weights"

# A run can be resumed from any folder, however its data were named.
cd "$work" || exit 1
mkdir elsewhere
number=0
for data in tar:t1 't1/train-{000000..000000}.tar::t1/val-000000.tar' folder:d; do
    number=$((number + 1))
    good "$mixmae" pretrain --data "$data" --val-data tar:t1 --model nano --image-size 32 --window-size 4,4,2 --batch-size 4 \
        --epochs 1 --warmup-epochs 0 --threads 1 --workers 0 --quiet --output "any$number"
    (cd elsewhere && expect 0 "nothing to do" "$mixmae" pretrain --resume "../any$number"; exit $failed) || failed=1
    expect 0 "nothing to do" "$mixmae" pretrain --resume "any$number" --data "$data"
done
cd - >/dev/null || exit 1

# Broken images are named and left out, up to a share.
printf 'no image' >"$work/d/train/$(head -1 "$work/p/classes.txt")/broken.png"
expect 4 'left out: .*broken.png' "$mixmae" pack --data "$work/d" --output "$work/b1"
expect 0 '15 images of 3 classes in 1 shards.*some left out' "$mixmae" pack --data "$work/d" --output "$work/b2" --max-bad 0.1
expect 2 'new or empty' "$mixmae" pack --data "$work/d" --output "$work/b2"
expect 2 'pack needs both' "$mixmae" pack --data "$work/d"
expect 4 'cannot open the data' "$mixmae" pack --data "$work/none" --output "$work/b3"

# CIFAR's records become PNG files of the same pixels; a class that only val has is an error.
mkdir "$work/c"
for name in train test; do # records of a coarse label, a fine one and planes
    for k in '\001' '\012' '\077' '\143'; do
        printf "\011$k"
        head -c 3072 "$mixmae" # any bytes
    done >"$work/c/$name.bin"
done
good "$mixmae" pack --data "$work/c" --output "$work/cp"
[ "$(tar -tf "$work/cp/train-000000.tar" | grep -c 'png$')" = 4 ] || fail "CIFAR: $(tar -tf "$work/cp/train-000000.tar")"
[ "$(wc -l <"$work/cp/classes.txt")" = 100 ] || fail "CIFAR-100 has 100 classes"
mkdir -p "$work/m/train/a" "$work/m/val/b"
cp "$work/x"/00000000_*.png "$work/m/train/a/1.png"
cp "$work/x"/00000001_*.png "$work/m/val/b/1.png"
expect 4 'class b of the held-out images' "$mixmae" pack --data "$work/m" --output "$work/mp"
exit $failed
