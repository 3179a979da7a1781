#!/usr/bin/env bash
# Held-out images that cannot be read: named and counted before the first step, excluded from every measure,
# judged by --max-bad. If they end a run, its weights are kept.
. "$(dirname "$0")/../lib/lib.sh"
cd "$work" || exit 1
measures() { grep -o '"val_[a-z0-9]*":[^,}]*' "$1/log.jsonl" | grep -v left_out; }

"$mixmae" synth --output data --classes 4 --images 24 --size 32 --seed 2 --quiet
small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 6 --threads 1)
pre=(pretrain "${small[@]}" --decoder-dim 32 --decoder-depth 1 --picture-every -1)
fine=(finetune "${small[@]}")
RANDOM=7

for try in 1 2 3; do # drawn files, damaged in drawn ways
    mapfile -t files < <(cd data/val && find . -name '*.png' | sort)
    n=$((1 + RANDOM % 3))
    rm -rf hurt less && cp -r data hurt && cp -r data less
    for ((k = 0; k < n; k++)); do
        at=$((RANDOM % ${#files[@]})) && file=${files[at]#./}
        unset "files[at]" && files=("${files[@]}")
        bytes=$(($(stat -c %s "data/val/$file") * (1 + RANDOM % 80) / 100))
        head -c $bytes "data/val/$file" >"hurt/val/$file"
        rm "less/val/$file"
        hurt[k]=$file
    done
    workers=$((RANDOM % 3))
    for command in pre fine; do
        declare -n options=$command
        log=hurt_$command/log.jsonl
        expect 0 "cannot be read: left out of every measure" "$mixmae" "${options[@]}" --data hurt \
            --output hurt_$command --epochs 2 --workers $workers --max-bad 0.5
        expect 0 "finished" "$mixmae" "${options[@]}" --data less --output less_$command --epochs 2 --workers 0
        for ((k = 0; k < n; k++)); do
            [ "$(grep -c "\"event\":\"broken file: [^\"]*/${hurt[k]}" $log)" = 1 ] ||
                fail "$command: ${hurt[k]} is not named once"
        done
        grep -q "\"event\":\"held-out images: $n of 16 cannot be read.*\"step\":0" $log ||
            fail "$command: $n of 16 are not counted at the start"
        [ "$(grep -c "\"val_left_out\":$n," $log)" = 2 ] ||
            fail "$command: a measure does not say that $n were left out"
        grep -q "held-out images: $n of 16" hurt_$command/report.html ||
            fail "$command: no count in the report"
        [ "$(measures hurt_$command)" = "$(measures less_$command)" ] ||
            fail "$command: damaged ones have a part in the measure"
        rm -rf {hurt,less}_$command
    done
done

# judged like training images: two of sixteen are too many, before anything is trained
for file in "${files[@]:0:2}"; do head -c 90 "data/val/$file" >"hurt/val/$file"; done
for command in pre fine; do
    declare -n options=$command
    expect 4 "held-out images: too many broken images.*--max-bad" "$mixmae" "${options[@]}" --data hurt \
        --output refused --epochs 2
    [ ! -e refused ] || fail "$command: something is in the way of the next run"
done
for file in hurt/val/*/*.png; do head -c 90 "$file" >x && cp x "$file"; done
expect 4 "none of 16 held-out images can be read" \
    "$mixmae" "${fine[@]}" --data hurt --output refused --max-bad 1

# damaged while it trains: what was learnt is saved, and goes on once they are mended
for command in pre fine; do
    declare -n options=$command
    rm -rf hurt && cp -rp data hurt
    "$mixmae" "${options[@]}" --data hurt --output late --epochs 100000 --workers 0 --quiet >out 2>&1 &
    for ((k = 0; k < 600; k++)); do
        if grep -qs val_loss late/log.jsonl || ! kill -0 $! 2>/dev/null; then break; fi
        sleep 0.1
    done
    for file in hurt/val/*/*.png; do head -c 90 "$file" >x && cp x "$file"; done
    wait $!
    [ $? = 4 ] || fail "$command: damaged while training: $(cat out)"
    grep -qE "held-out images: (too many broken|a broken image could not be replaced).*step [0-9]+ is saved: --resume late" out ||
        fail "$command: not saved: $(cat out)"
    rm -rf hurt && cp -rp data hurt
    step=$(sed 's/.*step \([0-9]*\) is saved.*/\1/' out)
    timeout -s INT 2 "$mixmae" "${options[0]}" --resume late --workers 0 >out 2>&1
    grep -q "resumed   at step $step " out || fail "$command: does not go on at step $step: $(cat out)"
    rm -rf late
done
exit $failed
