#!/usr/bin/env bash
# The command line as a user sees it: help, exit codes, messages, resume rules, plan, inspect, reconstruct.
. "$(dirname "$0")/../lib/lib.sh"

expect 2 "Commands:" "$mixmae"
expect 0 "pretrain" "$mixmae" --help
expect 0 "^mixmae [0-9]" "$mixmae" --version
expect 2 "no command nonsense" "$mixmae" nonsense
"$mixmae" --help | sed -n 's/^  \([a-z-]*\)  .*/\1/p' >"$work/help"
"$mixmae" --list-commands >"$work/list"
[ "$(wc -l <"$work/list")" -ge 14 ] && cmp "$work/help" "$work/list" || fail "--list-commands is not the list of the help"
for command in $(cat "$work/list"); do
    expect 0 "Examples:" "$mixmae" $command --help
    expect 0 "Exit codes:" "$mixmae" $command --help
done
expect 2 "did you mean --epochs" "$mixmae" pretrain --epoch 3
expect 2 "a whole number from 1" "$mixmae" pretrain --batch-size many
expect 2 "whole number" "$mixmae" pretrain --batch-size 3.5
expect 2 "needs a value" "$mixmae" pretrain --batch-size
expect 2 "two numbers" "$mixmae" pretrain --crop-scale 0.5
expect 2 "no model giant; there are nano" "$mixmae" plan --model giant
expect 2 "224 or 448 work" "$mixmae" plan --model base --image-size 230
expect 2 "does not divide" "$mixmae" plan --model base --image-size 192 --steps 0
expect 2 "heads" "$mixmae" plan --model nano --num-heads 3,5,12 --steps 0
expect 0 "88397792 trainable" "$mixmae" plan --task finetune --model base_384 --batch-size 2 --steps 0 # docs/MODEL.md: 88.4 M
expect 1 "device metal: expected one of those that this build has: .*ref" "$mixmae" plan --model nano --device metal
expect 2 "pretrain or finetune" "$mixmae" plan --task guess
# an instruction set that the machine lacks is refused by name before any of its instructions runs
if ! "$mixmae" plan --model nano --device cpu --steps 0 2>&1 | grep -q "not part of this build"; then
    for isa in sse9 avx1024; do
        expect 1 "MIXMAE_ISA=$isa: this machine runs generic" env MIXMAE_ISA=$isa "$mixmae" plan --model nano --device cpu --steps 1
    done
fi
expect 2 "--output RUN is needed" "$mixmae" pretrain --data "$work"
expect 4 "nowhere" "$mixmae" pretrain --data "$work/nowhere" --output "$work/r0"
mkdir "$work/empty"
expect 4 "no images|holds no" "$mixmae" pretrain --data "$work/empty" --output "$work/r1"

# the reference document is the program's own table
"$mixmae" --help-markdown | diff - docs/OPTIONS.md >"$work/diff" || { fail "docs/OPTIONS.md differs from mixmae --help-markdown"; head "$work/diff"; }

# a small run
expect 0 "3 classes" "$mixmae" synth --output "$work/images" --classes 3 --images 8 --size 32 --seed 5
expect 4 "not empty" "$mixmae" synth --output "$work/images"
small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --batch-size 4 --epochs 2)
expect 0 "finished" "$mixmae" pretrain --data "$work/images" --output "$work/run" "${small[@]}" --threads 1
for file in model.safetensors state.safetensors log.jsonl options.ini report.html; do
    [ -s "$work/run/$file" ] || fail "$file is missing"
done
ls "$work"/run/events.out.tfevents.* >/dev/null || fail "no TensorBoard events"
ls "$work"/run/pictures/*.png >/dev/null || fail "no pictures"
expect 4 "not empty" "$mixmae" pretrain --data "$work/images" --output "$work/run" "${small[@]}"
cp "$work/run/model.safetensors" "$work/before"
expect 0 "nothing to do" "$mixmae" pretrain --resume "$work/run"
cmp "$work/before" "$work/run/model.safetensors" || fail "resuming a finished run changed it"
expect 2 "--batch-size: the run to resume was started with 4, not 8" "$mixmae" pretrain --resume "$work/run" --batch-size 8
expect 0 "nothing to do" "$mixmae" pretrain --resume "$work/run" --batch-size 4 --threads 3
expect 4 "no such folder" "$mixmae" pretrain --resume "$work/none"
touch "$work/run/state.safetensors.7.0.tmp" # half a state, left by a process that was killed
expect 4 "run/.lock is locked: another program is at work in this folder" flock "$work/run/.lock" "$mixmae" pretrain --resume "$work/run"
[ -e "$work/run/state.safetensors.7.0.tmp" ] || fail "removed what the holder of the lock may be writing"
expect 0 "nothing to do" "$mixmae" pretrain --resume "$work/run"
[ ! -e "$work/run/state.safetensors.7.0.tmp" ] || fail "what a killed process left is still there"
expect 4 "1 images|--batch-size [0-9]+ works" "$mixmae" pretrain --data "$work/images" --output "$work/r2" "${small[@]}" --batch-size 1000
expect 0 "layers.0.blocks.0.attn.qkv.weight" "$mixmae" inspect "$work/run/model.safetensors"
rude='{"__metadata__":{"note":"\u001b[31mred"}}' # a file whose metadata would colour the terminal
printf '\x30\0\0\0\0\0\0\0%-48s' "$rude" >"$work/rude.safetensors"
expect 0 '.x1b\[31mred' "$mixmae" inspect "$work/rude.safetensors"
expect 4 "PNG image" "$mixmae" inspect "$(ls "$work"/images/train/*/*.png | head -1)"
expect 0 "grid.png" "$mixmae" reconstruct --checkpoint "$work/run/model.safetensors" --output "$work/grid.png" --images "$work"/images/val/*/*.png
[ -s "$work/grid.png" ] || fail "no grid.png"
expect 4 "absent.png" "$mixmae" reconstruct --checkpoint "$work/run/model.safetensors" --output "$work/g2.png" --images "$work/absent.png"
expect 0 "expected peak" "$mixmae" plan --data "$work/images" "${small[@]}" --steps 1
expect 0 "to the end" "$mixmae" plan --data "$work/images" "${small[@]}" --steps 1
expect 0 "finished" "$mixmae" pretrain --data "$work/images" --output "$work/run2" "${small[@]}" --init "$work/run/model.safetensors" --seed 3
expect 0 "resized   . tables" "$mixmae" pretrain --data "$work/images" --output "$work/run_64" "${small[@]}" --image-size 64 --init "$work/run/model.safetensors"
expect 2 "expected shape" "$mixmae" pretrain --data "$work/images" --output "$work/run3" "${small[@]}" --embed-dim 32 --init "$work/run/model.safetensors"

# nothing of a text from outside is obeyed by the terminal: option files, arguments, names of files
loud() { # loud COMMAND...: no control character but the newline, and only UTF-8
    "$@" >"$work/out" 2>&1 </dev/null
    LC_ALL=C tr -d '\n' <"$work/out" | LC_ALL=C grep -qaP '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]' &&
        fail "control characters: $(cat -v "$work/out")"
    iconv -f UTF-8 -t UTF-8 "$work/out" >"$work/utf8" 2>&1 || fail "not UTF-8: $(cat -v "$work/out")"
}
for byte in '\033]0;x\007' '\302\233m' '\177' '\351' '\033[2J\302\205'; do
    name=$(printf "a$byte")
    cp "$(ls "$work"/images/val/*/*.png | head -1)" "$work/$name.png"
    printf '%s = 1\n' "$name" >"$work/loud.ini"
    loud "$mixmae" plan --config "$work/loud.ini"
    printf 'epochs = %s\n' "$name" >"$work/loud.ini"
    loud "$mixmae" plan --config "$work/loud.ini"
    loud "$mixmae" "$name"
    loud "$mixmae" --help "$name"
    loud "$mixmae" --completion "$name"
    loud "$mixmae" plan "--$name" 3
    loud "$mixmae" plan --model "$name"
    loud "$mixmae" pretrain --data "$work/$name" --output "$work/$name.run"
    loud "$mixmae" predict --checkpoint "$work/$name" "$work/$name.png"
    loud "$mixmae" inspect "$work/$name"
    loud "$mixmae" reconstruct --checkpoint "$work/run/model.safetensors" --output "$work/$name.grid.png" \
        --images "$work/$name.png"
done

# a standard stream that is closed is not taken for a file of the run
for closed in '0<&-' '2>&-' '0<&- 2>&-' '0<&- 1>&- 2>&-'; do
    rm -rf "$work/closed"
    start=("$mixmae" pretrain --data "$work/images" --output "$work/closed" "${small[@]}" --epochs 1 --threads 1)
    eval '"${start[@]}" '"$closed"
    [ $? = 0 ] || fail "$closed: no run"
    [ -e "$work/closed/model.safetensors" ] && [ ! -s "$work/closed/.lock" ] ||
        fail "$closed: .lock holds $(head -1 "$work/closed/.lock")"
    grep -L '^{' "$work/closed/log.jsonl" | grep -q . && fail "$closed: messages in log.jsonl"
done
"$mixmae" --version >&- 2>"$work/out" && fail "lost output is no error"

# option files: the command line wins
printf 'model = nano\nbatch-size = 7\n# a comment\nepochs = 3\n' >"$work/options.ini"
expect 0 "1 x 9 images" "$mixmae" plan --config "$work/options.ini" --batch-size 9 --steps 0
printf 'batchsize = 7\n' >"$work/bad.ini"
expect 2 "did you mean --batch-size" "$mixmae" plan --config "$work/bad.ini"

# a run whose loss is not finite ends with its own code
expect 5 "not finite in 2 updates" "$mixmae" pretrain --data "$work/images" --output "$work/run4" "${small[@]}" --lr 1e6 --warmup-epochs 0 --epochs 20 --max-skipped 2
# ... and says that a state is kept only where there is one
grep -q "saved state is kept" "$work/out" && [ ! -e "$work/run4/state.safetensors" ] && fail "a state is said to be kept where there is none"
expect 5 "last saved state is kept" "$mixmae" pretrain --data "$work/images" --output "$work/run5" "${small[@]}" --lr 1e6 --warmup-epochs 0 --epochs 20 \
    --max-skipped 2 --save-every 1

# names that are empty are no names
for command in inspect "predict --checkpoint $work/none" "embed --output x.npy --checkpoint $work/none" verify; do
    expect 2 "expected the name of a file, found nothing" "$mixmae" $command ""
done
expect 2 "config: expected the name of a file, found nothing" "$mixmae" plan --config ""
expect 2 "config: expected the name of a file, found nothing" "$mixmae" plan --config=
exit $failed
