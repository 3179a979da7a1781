#!/usr/bin/env bash
# Suggestions in errors are followed: every number, option and command that a message offers is tried, and
# must work.
. "$(dirname "$0")/../lib/lib.sh"
fail() { echo "FAILED: $*" >&2; touch "$work/failed"; } # also in a substitution

cd "$work" || exit 1
"$mixmae" synth --output data --classes 2 --images 9 --size 32 --quiet || fail synth

refused() { # PATTERN COMMAND...: it fails, and says so; the message is in out
    local pattern=$1
    shift
    rm -rf new
    "$mixmae" "$@" >out 2>&1 </dev/null && { fail "$* was not refused"; return; }
    grep -qE -- "$pattern" out || { fail "$*: no \"$pattern\" in:"; cat out; }
}
works() { # COMMAND...
    rm -rf new
    "$mixmae" "$@" >out2 2>&1 </dev/null || { fail "what was suggested does not work: $*"; cat out out2; }
}
# offers PATTERN: the numbers that the message offers, where PATTERN has X
offers() {
    local found
    found=$(grep -oE -- "${1//X/[0-9.,xM]+}" out | grep -oE '[0-9][0-9.,xM]*' | sed 's/[.,]$//')
    [ -n "$found" ] || { fail "nothing like \"$1\" is offered in:"; cat out >&2; return; }
    echo $found
}
small="--image-size 32 --embed-dim 8 --depths 1,1,1 --num-heads 1,1,1 --window-size 8,4,2 --batch-size 4 --threads 1 --dtype f32"
decoder="--decoder-dim 16 --decoder-depth 1 --decoder-num-heads 1"
run="pretrain --model nano $small $decoder --epochs 1 --output new"
tune="finetune --model nano --image-size 32 --epochs 1 --threads 1 --dtype f32 --output new"
plan="plan --steps 0 --batch-size 1"

# ---- shapes of models: images, windows, heads, widths, each message's numbers alone are enough
for model in nano micro tiny base base_384; do
    for side in 1 20 30 100 230 300 450 1000; do
        "$mixmae" $plan --model $model --image-size $side >out 2>&1 && continue
        grep -q "not a multiple" out || continue
        for x in $(offers "X or X work|: X works"); do works $plan --model $model --image-size $x; done
    done
    for side in 64 96 160 192 224 256 320 384 448 512; do
        "$mixmae" $plan --model $model --image-size $side >out 2>&1 && continue
        for x in $(offers "window-size X or X works"); do works $plan --model $model --image-size $side --window-size $x; done
    done
done
for windows in 5,5,5,5 9,8,7,6 3,14,14,7; do
    refused "does not divide" $plan --model base --window-size $windows
    for x in $(offers "window-size X or X works"); do works $plan --model base --window-size $x; done
done
refused "patch size 6" $plan --model base --patch-size 6
for x in $(offers "X or X work|: X works"); do works $plan --model base --patch-size 6 --image-size $x; done
for heads in 5,5,5,5 3,5,7,9 4,8,16,31; do
    refused "do not divide the width" $plan --model base --num-heads $heads
    for x in $(offers "num-heads X or X works"); do works $plan --model base --num-heads $x; done
done
for width in 46 50 97 101 130; do
    refused "not a multiple of 4" $plan --model tiny --embed-dim $width
    for x in $(offers ": X or X work|: X works"); do works $plan --model tiny --embed-dim $x; done
    refused "not a multiple of 4" $plan --model tiny --decoder-dim $((width + width % 2 + 401))
    for x in $(offers ": X or X work|: X works"); do works $plan --model tiny --decoder-dim $x; done
done
for heads in 5 7 100; do
    refused "decoder: $heads heads" $plan --model base --decoder-num-heads $heads
    for x in $(offers "X or X work"); do works $plan --model base --decoder-num-heads $x; done
done
for side in 64 128 32 256; do
    refused "masks none: use at least" $plan --model micro --image-size $side --mask-ratio 0.0001
    for x in $(offers "at least X"); do works $plan --model micro --image-size $side --mask-ratio $x; done
done

# ---- batches
refused "a step needs 1000 images" $run --data data --batch-size 1000
works $run --data data --batch-size "$(offers "batch-size X works")"
refused "a step needs 400 images" $run --data data --accum-steps 100
read -r batch accum <<<"$(offers "batch-size X --accum-steps X works")"
works $run --data data --batch-size "$batch" --accum-steps "$accum"
mkdir -p odd/a odd/b single
for i in 0 1 2; do cp data/train/clouds/0000$i.png odd/a/; done
cp data/train/julia/0000[01].png odd/b/
cp data/train/julia/00000.png single/
refused "the data set has 5" $tune --data odd --batch-size 6
works $tune --data odd --batch-size "$(offers "batch-size X works")"
refused "the data set has 5" $tune --data odd --batch-size 2 --accum-steps 4
read -r batch accum <<<"$(offers "batch-size X --accum-steps X works")"
works $tune --data odd --batch-size "$batch" --accum-steps "$accum"
refused "the data set has 1" $run --data single --batch-size 2 --accum-steps 2
read -r batch accum <<<"$(offers "batch-size X --accum-steps X works")"
works $run --data single --batch-size "$batch" --accum-steps "$accum"
for batch in 1 5; do
    refused "is odd" $tune --data odd --batch-size $batch --cutmix-minmax 0.2,0.8
    works $tune --data odd --batch-size "$(offers "batch-size X works" | tr ' ' '\n' | tail -n 1)"
    grep -q -- "--mixup-prob 0" out && works $tune --data odd --batch-size $batch --cutmix-minmax 0.2,0.8 --mixup-prob 0
done
refused "memory of 1 MB is too small" $run --data data --memory 1M
works $run --data data --memory "$(offers "give --memory X")"
"$mixmae" plan --model base --batch-size 8 --memory 100M --steps 0 >out 2>&1
works plan --model base --batch-size 8 --steps 0 --memory "$(offers "give --memory X")"

# ---- images: channels, broken ones, values
npy() { # FILE TYPE SHAPE LITERAL...: an array whose bytes are repeated from a printf text
    local header="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    local samples
    samples=$(for _ in $(seq "$5"); do printf %s "$4"; done)
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$header" && printf "$samples"; } >"$1"
}
mkdir -p five/train/a five/train/b six/val/a sixteen/a sixteen/b
for i in 0 1 2 3; do for c in a b; do
    npy five/train/$c/$i.npy '|u1' '8, 8, 5' 'abcde' 64
    npy sixteen/$c/$i.npy '<u2' '8, 8, 3' 'a\x01b\x02c\x03' 64
done; done
refused "the model has 3 channels, but 8 of 8 images cannot be read with that many: .*five/train/a/0.npy has 5" $run --data five
[ -e new ] && fail "a refused start left its folder"
works $run --data five --channels "$(offers "channels X fits")"
refused "the model has 3 channels, but 8 of 8" plan --model nano --batch-size 4 --steps 0 --data five
works plan --model nano --batch-size 4 --steps 0 --data five --channels "$(offers "channels X fits")"
refused "the model has 4 channels, but 18 of 18" $run --data data --channels 4
works $run --data data --channels "$(offers "channels X fits")"
cp -r five mixed && cp data/train/clouds/0000*.png mixed/train/a/
refused "no number of channels fits all of them: remove one kind" $run --data mixed
rm mixed/train/*/*.npy
works $run --data mixed
cp -r data held && rm -r held/val && cp -r five/train held/val
refused "held-out images must have the channels of the training images" $run --data held
[ -e new ] && fail "a refused start left its folder"
refused "8-bit images, found 16 bits" $tune --data sixteen --batch-size 4 --aa none --color-jitter 0.3
works $tune --data sixteen --batch-size 4 --aa none --color-jitter 0
refused "images of 1 or 3 channels" $tune --data five --batch-size 4 --channels 5
works $tune --data five --batch-size 4 --channels 5 $(grep -oE -- '--aa none --color-jitter 0' out)
cp -r data bad
for i in 1 2 3; do echo broken >bad/train/clouds/x$i.png; done
refused "3 of 21 images cannot be read, the first: .*bad/train/clouds/x1.png" $run --data bad
works $run --data bad --max-bad "$(offers "max-bad X trains")"
rm bad/train/clouds/x?.png
works $run --data bad
warned() { # PATTERN DATA OPTION...: a run that says so
    local pattern=$1
    shift
    rm -rf new
    "$mixmae" $run --data "$@" >out 2>&1 </dev/null || { fail "$* failed"; cat out; }
    grep -qE -- "$pattern" out || { fail "$*: no \"$pattern\" in:"; cat out; }
}
silent() {
    rm -rf new
    "$mixmae" $run --data "$@" >out2 2>&1 </dev/null || { fail "$* failed"; cat out2; }
    grep -q "warning" out2 && { fail "still said with $*:"; cat out out2; }
}
values() { # NAME BYTES BYTES...: float images of these values in turn
    mkdir -p "$1"
    for i in 0 1 2 3; do npy "$1/$i.npy" '<f4' '8, 8, 3' "$2" 64; done
}
values percent '\x00\x00\x7f\x43\x00\x00\x00\x00\x00\x00\x80\x3f'   # 255, 0, 1
values reflectance '\x00\x40\x1c\x46\x00\x00\x00\x00\x00\x00\x80\x3f' # 10000, 0, 1
values signed '\x00\x00\x80\xbf\x00\x00\x80\x3f\x00\x00\x00\x00'    # -1, 1, 0
values odd_range '\x00\x50\xc3\x47\x00\x00\x00\x00\x00\x00\x80\x3f' # 100000, 0, 1
values unit '\x00\x00\x00\x3f\x00\x00\x80\x3f\x00\x00\x00\x00'      # 0.5, 1, 0
values nan '\x00\x00\xc0\x7f\x00\x00\x80\x3f\x00\x00\x00\x00'
values inf '\x00\x00\x80\x7f\x00\x00\x80\x3f\x00\x00\x00\x00'
values flat '\x00\x00\x00\x3f\x00\x00\x00\x3f\x00\x00\x00\x3f'
mkdir twelve
for i in 0 1 2 3; do npy twelve/$i.npy '<u2' '8, 8, 3' '\xff\x0f\x01\x02\x03\x04' 64; done # 4095
for set in "percent 255" "reflectance 10000" "odd_range 100000" "twelve 4095"; do
    read -r name white <<<"$set"
    warned "warning: values of the images lie between .*$name/0.npy.*--stats auto measures them; --value-range $white makes $white 1" $name
    silent $name --value-range "$(offers "value-range X makes" | cut -d' ' -f1)"
    silent $name --stats auto
done
warned "between -1 and 1 .*signed/0.npy.*--stats auto" signed
grep -q "value-range" out && { fail "--value-range cannot help with values below 0"; cat out; }
silent signed --stats auto
warned "all values of the images looked at are 0.5" flat
silent unit
silent data
silent five --channels 5
refused "all 4 images looked at hold NaN or infinity, the first: .*nan/0.npy" $run --data nan
refused "all 4 images looked at hold NaN or infinity, the first: .*inf/0.npy" $run --data inf
mkdir some && cp nan/0.npy some/0.npy && for i in $(seq 20); do cp unit/0.npy some/$i.npy; done
warned "1 of 16 images looked at hold NaN or infinity, the first: .*some/0.npy; such images count as broken" some --max-bad 1
values marker '\x00\x3c\x1c\xc6\x00\x00\x80\x3f\x00\x00\x00\x00'       # -9999, 1, 0
values huge '\xee\x93\x7f\xff\x00\x00\x80\x3f\x00\x00\x00\x00'         # -3.4e38, 1, 0
warned "the value -9999 .*marker/0.npy. is far from all others, which lie between 0 and 1" marker --stats auto
rm -rf new
refused "nothing was learnt: loss or gradients were not finite in all 1 updates" $run --data huge
grep -q "the value -3.39.*e.38 .*huge/0.npy. is far from all others" out || { fail "a value for no data is not said:"; cat out; }
for name in marker huge; do values $name '\x00\x00\x00\x3f\x00\x00\x80\x3f\x00\x00\x00\x00' && silent $name; done
mkdir grey
for i in 0 1 2 3; do npy grey/$i.npy '|u1' '8, 8' '\x01\x80\xff' 22 && truncate -s 192 grey/$i.npy; done
warned "all images are grey.*--channels 1 uses it once" grey
silent grey --channels 1
"$mixmae" $run --data data --output encoder >out 2>&1 || fail "no encoder"
mkdir -p scaled/a scaled/b && cp percent/* scaled/a && cp percent/* scaled/b
tuned="finetune --init encoder/model.safetensors --data scaled --batch-size 4 --epochs 1 --aa none --threads 1 --dtype f32 --output new"
for more in "" "--value-range 255" "--stats auto"; do
    rm -rf new
    "$mixmae" $tuned $more >out 2>&1 || { fail "$tuned $more"; cat out; }
    if [ -z "$more" ]; then
        grep -q -- "--value-range 255" out || { fail "a checkpoint's statistics: nothing is said"; cat out; }
    else
        grep -q "warning" out && { fail "$more does not help:"; cat out; }
    fi
done

# ---- pictures: the name says the format
pictures="reconstruct --checkpoint encoder/model.safetensors --threads 1 --images data/val/clouds/00000.png data/val/julia/00000.png"
for end in jpg jpeg JPG; do
    works $pictures --output grid.$end
    [ "$(head -c 3 grid.$end | od -An -tx1 | tr -d ' ')" = ffd8ff ] || fail "grid.$end is no JPEG"
done
works $pictures --output grid.png
[ "$(head -c 4 grid.png | od -An -tx1 | tr -d ' ')" = 89504e47 ] || fail "grid.png is no PNG"
for name in grid.webp grid.tiff grid grid.jpg.txt .png; do
    refused "expected a name that ends in .png, .jpg or .jpeg, found $name" $pictures --output $name
    [ -e $name ] && fail "$name was written"
done
refused "ends with .npy or .safetensors" embed --checkpoint encoder/model.safetensors --data data --output f.csv
works embed --checkpoint encoder/model.safetensors --data data --output f.npy
refused "ends in .pth, .pt, .safetensors or .onnx" convert encoder/model.safetensors --output f.bin
for end in pth pt safetensors onnx; do works convert encoder/model.safetensors --output f.$end; done

# ---- other ways that are named
refused "did you mean --epochs" $run --data data --epoch 1
refused "or --model NAME, to train from scratch" finetune --data data --output new --batch-size 4
works $tune --data data --batch-size 4
refused "must be fine-tuned first .mixmae finetune --init" eval --checkpoint encoder/model.safetensors --data data
works finetune --init encoder/model.safetensors --data data --batch-size 4 --epochs 1 --threads 1 --output new
mv new tuned
works eval --checkpoint tuned/model.safetensors --data data
refused "val-data DIR names one" probe --checkpoint encoder/model.safetensors --data data/train
works probe --checkpoint encoder/model.safetensors --data data/train --val-data data/val --epochs 1
mkdir both && cp -r data/train/clouds both/ && "$mixmae" pack --data data/train --output both/shards >out 2>&1 && mv both/shards/*.tar both/
rm -r both/shards
refused "write tar:DIR or folder:DIR" $run --data both
works $run --data tar:both
works $run --data folder:both
refused "stages: give 4|--window-size holds 2" $plan --model base --window-size 7,7
works $plan --model base --window-size 7,7,7,7
[ ! -e "$work/failed" ]
