#!/usr/bin/env bash
# Runs as people start them: the output inside the data, short runs of long recipes.
. "$(dirname "$0")/../lib/lib.sh"

cd "$work" || exit 1
"$mixmae" synth --output drawn --classes 2 --images 8 --size 32 --quiet || fail synth
small="--image-size 32 --embed-dim 8 --depths 1,1,1 --num-heads 1,1,1 --window-size 8,4,2 --decoder-dim 16 --decoder-depth 1
       --decoder-num-heads 1 --batch-size 4 --threads 1 --dtype f32"
deep="--image-size 64 --embed-dim 8 --depths 1,1,1,1 --num-heads 1,1,1,1 --window-size 16,8,4,2 --decoder-dim 16 --decoder-depth 1
      --decoder-num-heads 1 --batch-size 4 --threads 1 --dtype f32 --log-every 1 --picture-every -1"
pretrain="pretrain --model nano $small"

# ---- a run's folder inside the data is no data, wherever it lies and whatever it is called
until_then() { # CONDITION COMMAND...: the command, stopped once the condition holds (or at its own end); output in out
    local condition=$1
    shift
    "$mixmae" "$@" >out 2>&1 </dev/null &
    local pid=$!
    for _ in $(seq 1200); do eval "$condition" && break; kill -0 $pid 2>/dev/null || break; sleep 0.05; done
    kill -INT $pid 2>/dev/null
    wait $pid
}
stop_and_resume() { # DATA RUN
    until_then "[ -f $2/state.safetensors ] && compgen -G '$2/pictures/*.png' >/dev/null" $pretrain --data "$1" --output "$2" --epochs 4000 \
        --save-every 2 --picture-every 2
    compgen -G "$2/pictures/*.png" >/dev/null || fail "$2 has no pictures"
    until_then "grep -q '^resumed' out" pretrain --resume "$2"
    grep -q "stopped at step" out || { fail "$2 was not resumed"; cat out; }
}
cp -r drawn/train photos
cd photos || exit 1
stop_and_resume . run
stop_and_resume . train # a flat folder stays one
mkdir old && cp -r run old/second
cp -r run ../elsewhere && ln -s ../elsewhere link
tune="finetune --model nano --image-size 32 --batch-size 4 --epochs 1 --threads 1 --dtype f32"
expect 0 "passed over: .* and others, written by mixmae" "$mixmae" $tune --data . --output ../tuned
expect 0 "data      16 images" "$mixmae" $tune --data . --output ../tuned2
classes=$("$mixmae" inspect ../tuned/model.safetensors | grep '^  classes')
[ "$(grep -o '"[^"]*"' <<<"$classes" | wc -l)" = 2 ] || fail "expected two classes, found $classes"
expect 0 "" "$mixmae" embed --checkpoint run/model.safetensors --data . --output features.npy
expect 0 "data      16 images" "$mixmae" $tune --data . --output ../tuned3 # nor are features
expect 0 "data      [1-9][0-9]* images" "$mixmae" $pretrain --batch-size 1 --epochs 1 --data run/pictures --output ../of_pictures # asked for by name
cp -r clouds run
expect 0 "data      8 images in .*/run" "$mixmae" $pretrain --epochs 1 --data run --output ../of_run
cd ..
mkdir -p kept/a && cp drawn/train/clouds/* kept/a/ && cp -r photos/run kept/ && rm kept/run/options.ini kept/run/state.safetensors
expect 0 "data      8 images" "$mixmae" $pretrain --epochs 1 --data kept --output of_kept # what was kept of a run
mkdir only && cp -r photos/train only/run
expect 4 "folders of runs of this program are passed over" "$mixmae" $pretrain --data only --output nothing
expect 0 "" "$mixmae" pack --data drawn --output shards
stop_and_resume shards shards/run # beside shards a folder would be a riddle
grep -q '"step":' shards/run/log.jsonl || fail "the run beside shards did nothing"

# ---- warm-up is part of a run, not all of it
last_share() { # LOG: the last rate over the largest one, in percent
    grep -o '"lr":[^,]*' "$1" | cut -d: -f2 | awk '{ if ($1 > m) m = $1; l = $1 } END { printf "%.0f", 100 * l / m }'
}
for model in tiny small base large huge base_384 large_384; do
    expect 0 "warm-up   8 epochs, a fifth of this run, where the recipe has 40" "$mixmae" pretrain --model $model $deep --data drawn --epochs 40 \
        --output "warm_$model"
    grep -q '^warmup-epochs = 8$' "warm_$model/options.ini" || fail "$model: $(grep warmup "warm_$model/options.ini")"
    [ "$(last_share "warm_$model/log.jsonl")" -lt 10 ] || fail "$model: the rate ends at $(last_share "warm_$model/log.jsonl") %"
done
warmup() { # COMMAND MODEL EPOCHS EXPECTED
    rm -rf w
    timeout -s INT 20 "$mixmae" $1 --model $2 $deep --data drawn --epochs $3 --output w --log-every 0 >out 2>&1 &
    local pid=$!
    for _ in $(seq 200); do grep -q '^warmup-epochs' w/options.ini 2>/dev/null && break; sleep 0.05; done
    kill -INT $pid 2>/dev/null
    wait $pid
    grep -qx "warmup-epochs = $4" w/options.ini || fail "$1 $2, $3 epochs: expected warm-up $4, found $(grep warmup w/options.ini)"
}
warmup pretrain tiny 400 40 # the paper's where the run is long enough
warmup pretrain base 600 40
warmup pretrain base 300 40
warmup pretrain base 200 40
warmup pretrain base 199 39.8
warmup pretrain base 1 0.2
deep=${deep/--decoder-dim 16 --decoder-depth 1/} deep=${deep/--decoder-num-heads 1/} deep=${deep/--picture-every -1/}
warmup finetune base 100 5
warmup finetune base 25 5
warmup finetune base 10 2
deep=${deep/--depths 1,1,1,1 --num-heads 1,1,1,1 --window-size 16,8,4,2/--depths 1,1,1 --num-heads 1,1,1 --window-size 16,8,4}
warmup finetune nano 30 2
warmup finetune nano 4 0.8
expect 0 "warm-up takes 40 of 2 epochs: the learning rate only rises; --warmup-epochs 0.4" "$mixmae" $pretrain --data drawn --epochs 2 \
    --warmup-epochs 40 --output told
grep -qx 'warmup-epochs = 40' told/options.ini || fail "what was asked for was not done"
expect 0 "finished" "$mixmae" $pretrain --data drawn --epochs 2 --warmup-epochs 0.4 --output told2
unsaid "warm-up"
probe="probe --checkpoint told/model.safetensors --data drawn --threads 1"
expect 0 "20 epochs .warm-up 4.," "$mixmae" $probe --epochs 20
expect 0 "90 epochs .warm-up 10.," "$mixmae" $probe
expect 0 "20 epochs .warm-up 30.," "$mixmae" $probe --epochs 20 --warmup-epochs 30

# ---- data that were moved: the same images go on, others are refused by what differs
begin() { # DATA RUN OPTION...
    until_then "[ -f $2/state.safetensors ]" $pretrain --data "$1" --output "$2" --epochs 4000 --save-every 2 --picture-every -1 "${@:3}"
    [ -f "$2/state.safetensors" ] || { fail "$2 saved nothing"; cat out; }
}
goes_on() { # COMMAND...
    until_then "grep -q '^resumed' out" "$@"
    grep -q "stopped at step" out || { fail "$* did not go on:"; cat out; }
}
cp -r drawn here && begin here moved
mv here there
expect 4 "cannot open the data .*/here.*; if it was moved: --resume moved --data NEW" "$mixmae" pretrain --resume moved
goes_on pretrain --resume moved --data there
grep -q "^data = .*/there$" moved/options.ini || fail "the new place was not kept: $(grep data moved/options.ini)"
goes_on pretrain --resume moved # without saying it again
rm -r "$work"/moved/index.cache && goes_on pretrain --resume moved --data ./there/
cp -r there other
rm "$(find other/train -name '*.png' | sort | head -n 1)"
cp "$(find other/train -name '*.png' | sort | head -n 1)" other/train/clouds/new.png
printf x >>"$(find other/train/julia -name '*.png' | sort | head -n 1)"
expect 4 "other/train is not the data set that the run was started with: 1 added .clouds/new.png., 1 removed .clouds/[0-9]*.png., 1 of another size .julia/" \
    "$mixmae" pretrain --resume moved --data other
grep -q "^data = .*/there$" moved/options.ini || fail "the refused place was kept"
goes_on pretrain --resume moved # and nothing is spoilt
rm "$(find there/train -name '*.png' | sort | tail -n 1)"
for _ in 1 2; do
    expect 4 "there/train has changed since the run was started: 1 removed .julia/[0-9]*.png.; the run cannot be continued" "$mixmae" pretrain --resume moved
done
find drawn/train -name '*.png' | sort | sed "s|\(.*/\([a-z]*\)/.*\)|\1,\2|" >drawn/list.csv
sed -i 's|^drawn/||' drawn/list.csv
begin drawn/list.csv listed --val-data drawn/val
cp -r drawn copy
goes_on pretrain --resume listed --data copy/list.csv --val-data copy/val
sed -i '1s/,clouds/,julia/' copy/list.csv
expect 4 "1 of another class .train/clouds" "$mixmae" pretrain --resume listed --data copy/list.csv
rm "$(find copy/val -name '*.png' | head -n 1)"
expect 4 "copy/val: its held-out images are not those" "$mixmae" pretrain --resume listed --data drawn/list.csv --val-data copy/val
begin shards packed
rm -r shards/run && cp -r shards shards2 && rm -r shards
goes_on pretrain --resume packed --data shards2
cp -r drawn share
until_then "[ -f shared/state.safetensors ]" ${tune/--epochs 1/--epochs 4000} --data share --label-fraction 0.5 --output shared --save-every 2
mv share share2
goes_on finetune --resume shared --data share2
rm -r share2/train/clouds share2/val/clouds && mkdir share2/train/third && cp share2/train/julia/* share2/train/third/
expect 4 "8 added .the first: third/.*8 removed .the first: clouds/" "$mixmae" finetune --resume shared --data share2

# ---- a run that is over, or other options: the way to train on, followed
expect 0 "finished" "$mixmae" $pretrain --data drawn --epochs 1 --output done
follow() { # the command that the last message names
    local way
    way=$(grep -oE 'mixmae (pretrain|finetune) --config .*--output NEW' "$work/out" | sed "s|NEW|$1|; s|^mixmae||")
    [ -n "$way" ] || { fail "no way was named:"; cat "$work/out"; return; }
    expect 0 "finished" "$mixmae" $way
}
expect 0 "done is finished: nothing to do; to train on" "$mixmae" pretrain --resume done
follow on1
expect 2 "--epochs: the run to resume was started with 1, not 2; to train on" "$mixmae" pretrain --resume done --epochs 2
follow on2
grep -qx "epochs = 2" on2/options.ini || fail "the option was not taken"
expect 2 "was started with true, not false" "$mixmae" pretrain --resume done --no-norm-pix-loss
follow on3
expect 0 "finished" "$mixmae" $tune --data drawn --output tuned_done
expect 2 "--epochs: the run to resume was started with 1, not 2; to train on" "$mixmae" finetune --resume tuned_done --epochs 2
follow on4
expect 2 "that is a run of finetune, continue it with mixmae finetune --resume tuned_done" "$mixmae" pretrain --resume tuned_done
expect 0 "nothing to do" "$mixmae" finetune --resume tuned_done

# ---- a start that failed leaves nothing that is in the way
cp -r drawn broken
for i in 1 2 3 4 5; do echo broken >"broken/train/clouds/0000$i.png"; done
mkdir was_there
for out in was_there new_one; do
    expect 4 "broken/train/clouds/00001.png" "$mixmae" $pretrain --data broken --output $out
    expect 4 "left out: .*broken/train/clouds/00001.png|cannot be read" "$mixmae" pack --data broken --output $out
    [ $out = was_there ] && [ -z "$(ls -A $out)" ] || [ ! -e $out ] || { fail "$out was left:"; ls -A $out; }
done
cp -r drawn cut && # whole headers, half the pixels: found only by decoding
 find cut/train -name '*.png' -exec truncate -s 200 {} +
expect 4 "cut/train/.*[0-9].png" "$mixmae" $pretrain --data cut --output new_two
[ -e new_two ] && fail "new_two was left"
expect 0 "finished" "$mixmae" $pretrain --data drawn --output new_two --epochs 1
expect 0 "warning: values" "$mixmae" $pretrain --data drawn --output warned --epochs 1 --value-range 1 --quiet # quiet hides progress only

# ---- an output that is not empty: a run can be continued, other folders cannot; what saved nothing is no hindrance
expect 4 "not empty: choose another folder; or continue the run in it with mixmae pretrain --resume done" "$mixmae" $pretrain --data drawn --output done
expect 4 "drawn is not empty: choose another folder$" "$mixmae" $pretrain --data drawn --output drawn
for stop in 0.05 0.1 0.2 0.4; do # killed before its first save
    "$mixmae" $pretrain --data drawn --output killed --epochs 4000 --quiet & pid=$!
    sleep $stop && kill -9 $pid
    wait $pid 2>/dev/null
    [ -f killed/options.ini ] && break
done
expect 0 "held a run that had saved nothing: begun anew" "$mixmae" $pretrain --data drawn --output killed --epochs 1
[ "$(ls killed/events* | wc -l)" = 1 ] || fail "events of the killed run are left"
# killed earlier still: nothing but the lock and what was being written; anything else is somebody's
mkdir -p early/pictures && touch early/.lock early/options.ini.123.0.tmp
expect 0 "begun anew" "$mixmae" $pretrain --data drawn --output early --epochs 1
[ -e early/options.ini.123.0.tmp ] && fail "a temporary is left"
mkdir -p mine/pictures && touch mine/.lock mine/pictures/holiday.png
expect 4 "not empty" "$mixmae" $pretrain --data drawn --output mine --epochs 1
[ -e mine/pictures/holiday.png ] || fail "a picture is gone"
exit $failed
