#!/usr/bin/env bash
# A damaged state is refused by resume and inspect. A state from another instruction set is continued only
# with --other-machine; that is reported, logged and valid for that leg only. Held-out images are the same in
# every leg.
. "$(dirname "$0")/../lib/lib.sh"
cd "$work" || exit 1

unset MIXMAE_ISA
cpu=$("$mixmae" --version | sed -n 's/^backends .*cpu (\([a-z0-9]*\)).*/\1/p')
"$mixmae" synth --output data --classes 3 --images 8 --size 32 --seed 5 --quiet || fail synth
small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 4 --threads 1 --dtype f32)
pretrain=(pretrain "${small[@]}" --decoder-dim 32 --decoder-depth 1 --picture-every -1 --epochs 60 --log-every 1)
finetune=(finetune "${small[@]}" --epochs 60 --log-every 1)
# stop DIR COMMAND...: begun, and stopped when DIR has gone on by a step
stop() {
    local dir=$1
    shift
    "$@" >out 2>&1 & pid=$!
    for _ in $(seq 1200); do
        kill -0 $pid || break
        [ "$(wc -l <"$dir/log.jsonl")" -gt 1 ] && break
        sleep 0.02
    done 2>/dev/null
    kill -TERM $pid
    wait $pid
    [ $? = 3 ] || { fail "a stopped run must exit with 3: $*"; cat out; }
}

# ---- one flipped bit, drawn: in the header and in the tensors
stop run "$mixmae" "${pretrain[@]}" --data data --output run
size=$(stat -c %s run/state.safetensors)
header=$(od -An -tu8 -N8 run/state.safetensors)
for place in $((8 + RANDOM % header)) $((8 + header + (RANDOM * 32768 + RANDOM) % (size - 8 - header))); do
    rm -rf flipped
    cp -r run flipped
    byte=$(od -An -tu1 -j "$place" -N1 run/state.safetensors)
    # shellcheck disable=SC2059 # the byte is the format
    printf "\\$(printf %03o $((byte ^ 1 << RANDOM % 8)))" |
        dd of=flipped/state.safetensors bs=1 seek="$place" conv=notrunc status=none
    cp flipped/state.safetensors before
    for use in "pretrain --resume flipped" "inspect flipped/state.safetensors" \
        "convert flipped/state.safetensors --output w.safetensors"; do
        # shellcheck disable=SC2086 # several words
        "$mixmae" $use >out 2>&1 && fail "byte $place of $size (header: $header) flipped, and accepted: $use"
        grep -q "flipped/state.safetensors" out || { fail "$use does not name the file:"; cat out; }
    done
    same before flipped/state.safetensors
done
expect 4 "flipped/state.safetensors: damaged: tensor .* has checksum" "$mixmae" pretrain --resume flipped
expect 0 "checksums +of header and tensors: right" "$mixmae" inspect run/state.safetensors

# ---- held-out images that change between two legs
cp -r data moved
for task in pretrain finetune; do
    rm -rf legs
    list=$task[@]
    stop legs "$mixmae" "${!list}" --data moved --output legs
    gone=$(find moved/val -name '*.png' | sort | head -n 1)
    mv "$gone" gone.png
    expect 4 "its held-out images are not those that the run was started with" "$mixmae" $task --resume legs
    mv gone.png "$gone"
    expect 0 finished "$mixmae" $task --resume legs
done

# ---- held-out images that appear between two legs
mv moved/val val
for task in pretrain finetune; do
    rm -rf legs
    list=$task[@]
    stop legs "$mixmae" "${!list}" --data moved --output legs
    cp -r val moved/val
    cp legs/state.safetensors before
    expect 4 "moved/val: [0-9]+ held-out images, where the run was started without any" "$mixmae" $task --resume legs
    same before legs/state.safetensors
    rm -r moved/val
    expect 0 finished "$mixmae" $task --resume legs
done

[ -n "$cpu" ] && [ "$cpu" != generic ] || {
    echo "without another instruction set: this machine runs ${cpu:-none}"
    exit $failed
}

# ---- another instruction set
for task in pretrain finetune; do
    rm -rf here
    list=$task[@]
    stop here env MIXMAE_ISA=generic "$mixmae" "${!list}" --data data --output here
    rm -rf stayed && cp -r here stayed
    cp here/state.safetensors before
    expect 1 "computed with instruction set generic, here it would be .*--other-machine continues" \
        "$mixmae" $task --resume here
    same before here/state.safetensors
    expect 0 "from here on with instruction set .*--other-machine says: it was generic" \
        "$mixmae" $task --resume here --other-machine
    grep -q '"event":"from here on with instruction set .* it was generic"' here/log.jsonl ||
        fail "not in here/log.jsonl"
    grep -q other-machine here/options.ini && fail "here/options.ini allows it for every later leg"
    expect 0 "is finished" "$mixmae" $task --resume here
    expect 0 finished env MIXMAE_ISA=generic "$mixmae" $task --resume stayed
    grep -q '"event"' stayed/log.jsonl && fail "the same instruction set was told as another"
    env MIXMAE_ISA=generic "$mixmae" "${!list}" --data data --output whole.$task --quiet || fail whole
    same whole.$task/model.safetensors stayed/model.safetensors
    cmp -s whole.$task/model.safetensors here/model.safetensors && fail "both instruction sets have the same bytes"
done
exit $failed
