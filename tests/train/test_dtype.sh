#!/usr/bin/env bash
# --dtype auto, the default: bf16 where the processor multiplies it faster than f32 (MIXMAE_ISA imitates
# machines without that), with a message. A resumed run keeps the type that auto chose at its start. If the
# machine lacks that type, resuming is refused with two suggestions, which work.
. "$(dirname "$0")/../lib/lib.sh"
golden=$source/tests/golden
cd "$work" || exit 1
stored() { # DIR TYPE
    grep -qx "dtype = $2" "$1/options.ini" || fail "$1/options.ini: expected $2, found $(grep dtype "$1/options.ini")"
}
with() { # ISA COMMAND...
    MIXMAE_ISA=$1 "$mixmae" "${@:2}"
}

unset MIXMAE_ISA
cpu=$("$mixmae" --version | sed -n 's/^backends .*cpu (\([a-z0-9]*\)).*/\1/p')
[ -n "$cpu" ] || { echo "skipped: this build has no cpu backend"; exit 77; }
"$mixmae" synth --output data --classes 3 --images 8 --size 32 --seed 5 --quiet || fail synth
small=(--data data --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 4 --threads 1 --workers 1)
pretrain=(pretrain "${small[@]}" --decoder-dim 32 --decoder-depth 1 --picture-every -1)
picture=$(find data/val -name '*.png' | sort | head -n 1)

# ---- each command says what computes; $1: MIXMAE_ISA, $2: what auto comes to, $3: its words
every_command() {
    local isa=$1 type=$2 line="backend cpu $1, $2 \(auto: $3\)"
    expect 0 "^machine   $line, 1 thread, 1 loader" with $isa "${pretrain[@]}" --epochs 1 --output $isa
    expect 0 "^machine   $line" with $isa finetune "${small[@]}" --epochs 1 --output $isa.tuned
    for run in $isa $isa.tuned; do
        stored $run auto:$type
        grep -q "<dt>dtype</dt><dd>$type <i>chosen by auto when the run began</i></dd>" $run/report.html ||
            fail "$run/report.html does not name the type"
    done
    expect 0 "^machine     $line" with $isa plan --model nano --steps 0
    expect 0 "^nano at 64x64, batch 1 x 2, $line" with $isa bench --model nano --batch-size 2 --steps 1
    for use in "eval --data data" "predict $picture" "embed --data data --output $isa.npy" \
        "embed --data data --output $isa.safetensors"; do
        # shellcheck disable=SC2086 # several words
        expect 0 "^machine   $line" with $isa $use --checkpoint $isa.tuned/model.safetensors
    done
    expect 0 "^machine   $line" with $isa probe --checkpoint $isa/model.safetensors --data data --epochs 0
    expect 0 "^machine   $line" with $isa reconstruct --checkpoint $isa/model.safetensors --output g.png "$picture" "$picture"
    # the numbers are those of the type by its name; files stay f32
    with $isa "${pretrain[@]}" --epochs 1 --output $isa.named --dtype $type --quiet || fail "--dtype $type"
    stored $isa.named $type
    same $isa/model.safetensors $isa.named/model.safetensors
    with $isa embed --checkpoint $isa.tuned/model.safetensors --data data --output named.npy --dtype $type --quiet ||
        fail "embed --dtype $type"
    same $isa.npy named.npy
    head -c 100 $isa.npy | grep -q "'<f4'" || fail "$isa.npy is not of 32-bit floats"
    expect 0 "features +F32" "$mixmae" inspect $isa.safetensors
    grep -q "computed_in.*$type" out || { fail "$isa.safetensors does not say what it was computed in:"; cat out; }
}
every_command generic f32 "bf16 is no faster here"
if [ "$cpu" = avx512bf16 ]; then
    every_command avx512bf16 bf16 "faster here than f32"
    every_command avx512 f32 "bf16 is no faster here"
    with $cpu embed --checkpoint $cpu.tuned/model.safetensors --data data --output named.npy --dtype f32 --quiet
    cmp -s avx512bf16.npy named.npy && fail "bf16 has f32's numbers"
fi
expect 0 "backend ref, f32 \(auto" "$mixmae" plan --model nano --steps 0 --device ref
expect 2 "--dtype: expected auto, f32 or bf16, found half" "$mixmae" plan --model nano --steps 0 --dtype half
"$mixmae" verify "$golden/pretrain_64.safetensors" >f32 || fail "verify computes in f32 unless told otherwise"
with $cpu verify --dtype f32 "$golden/pretrain_64.safetensors" >out
same f32 out

# ---- runs that are stopped after their first steps
long=("${pretrain[@]}" --epochs 120 --log-every 1)
# stop DIR COMMAND...: begun, and stopped when DIR has gone on by a step
stop() {
    local dir=$1 lines
    shift
    lines=$(wc -l 2>/dev/null <"$dir/log.jsonl")
    "$@" >out 2>&1 & pid=$!
    for _ in $(seq 1200); do
        kill -0 $pid || break
        [ "$(wc -l <"$dir/log.jsonl")" -gt $((${lines:-0} + 1)) ] && break
        sleep 0.02
    done 2>/dev/null
    kill -TERM $pid
    wait $pid
    [ $? = 3 ] || { fail "a stopped run must exit with 3: $*"; cat out; }
}

# begun in f32: it stays f32 wherever it goes on (on another instruction set with --other-machine), and so does a
# folder of before auto, which says f32 or nothing
stop plain env MIXMAE_ISA=generic "$mixmae" "${long[@]}" --output plain
stored plain auto:f32
for copy in says_f32 says_nothing again; do cp -r plain $copy; done
sed -i 's/^dtype = .*/dtype = f32/' says_f32/options.ini
sed -i '/^dtype = /d' says_nothing/options.ini
expect 0 "^machine   backend cpu $cpu, f32 \(auto: chosen when the run began\)" "$mixmae" pretrain --resume plain --other-machine
stored plain auto:f32
for copy in says_f32 says_nothing; do
    expect 0 "^machine   backend cpu $cpu, f32, 1 thread" "$mixmae" pretrain --resume $copy --other-machine
    same plain/model.safetensors $copy/model.safetensors
    same plain/state.safetensors $copy/state.safetensors
done
expect 2 "--dtype: the run to resume was started with auto:f32, not bf16" "$mixmae" pretrain --resume again --dtype bf16
expect 2 "--dtype: expected auto, f32 or bf16, found half" "$mixmae" pretrain --resume again --dtype half
expect 2 "--dtype: the run to resume was started with f32, not auto" "$mixmae" pretrain --resume says_f32 --dtype auto
stop again "$mixmae" pretrain --resume again --dtype auto --other-machine
expect 0 "finished" "$mixmae" pretrain --resume again --dtype f32
same plain/model.safetensors again/model.safetensors
grep -q '"event".*dtype' again/log.jsonl && fail "the same type was told as a change"

[ "$cpu" = avx512bf16 ] || { echo "without the parts that need avx512bf16: this machine runs $cpu"; exit $failed; }

# begun in f32 where there are no bf16 products, continued where there are: the same bytes as without a stop
stop moved env MIXMAE_ISA=avx512 "$mixmae" "${long[@]}" --output moved
expect 0 "f32 \(auto: chosen when the run began\)" "$mixmae" pretrain --resume moved
with avx512 "${long[@]}" --output stayed --quiet
same stayed/model.safetensors moved/model.safetensors

# begun in bf16: resumed as begun
stop half "$mixmae" "${long[@]}" --output half
stored half auto:bf16
for copy in here slow wide; do cp -r half $copy; done
cp half/options.ini before.ini
"$mixmae" "${long[@]}" --output whole --quiet
expect 2 "--dtype: the run to resume was started with auto:bf16, not f32" "$mixmae" pretrain --resume here --dtype f32
stop here "$mixmae" pretrain --resume here --dtype bf16
stored here auto:bf16
stop here "$mixmae" pretrain --resume here --dtype auto
expect 0 "bf16 \(auto: chosen when the run began\)" "$mixmae" pretrain --resume here
same whole/model.safetensors here/model.safetensors
same whole/state.safetensors here/state.safetensors

# and refused where there are no bf16 products, whether a type is named by its old name or not
for again in "" "--dtype auto"; do
    # shellcheck disable=SC2086 # none or two words
    expect 1 "began with --dtype auto, which chose bf16.* avx512bf16\); .*instruction set avx512\)" \
        with avx512 pretrain --resume half $again
    grep -q -- "--dtype bf16 continues .* --dtype f32 continues .*bytes" out || { fail "no way on in:"; cat out; }
done
same before.ini half/options.ini

# the two ways on; each holds for the resumes that follow, on either machine
for way in "slow bf16" "wide f32"; do
    read -r run type <<<"$way"
    stop $run env MIXMAE_ISA=avx512 "$mixmae" pretrain --resume $run --dtype $type
    stored $run $type
    diff <(grep -v '^dtype' before.ini) <(grep -v '^dtype' $run/options.ini) || fail "another option of $run changed"
    grep -q "\"event\":\"from here on in $type, as --dtype says: the run began in auto:bf16\"" $run/log.jsonl ||
        fail "$run/log.jsonl does not tell the change"
    stop $run env MIXMAE_ISA=avx512 "$mixmae" pretrain --resume $run
    # f32 has the same bytes on both, bf16 has not
    other=() events=1
    [ $type = f32 ] || {
        expect 1 "computed with instruction set avx512, here it would be avx512bf16" "$mixmae" pretrain --resume $run
        other=(--other-machine) events=2
    }
    expect 0 "^machine   backend cpu avx512bf16, $type, 1 thread" "$mixmae" pretrain --resume $run "${other[@]}"
    grep -q "from here on in $type" $run/report.html || fail "$run/report.html does not tell the change"
    [ "$(grep -c '"event"' $run/log.jsonl)" = $events ] || fail "the change was told more than once"
    cmp -s whole/model.safetensors $run/model.safetensors && fail "$run has the bytes of the run that never moved"
done

# bf16 that was asked for goes on anywhere, when it is said that other bytes will do
stop asked "$mixmae" "${long[@]}" --dtype bf16 --output asked
stored asked bf16
expect 2 "--dtype: the run to resume was started with bf16, not f32" with avx512 pretrain --resume asked --dtype f32
expect 0 "^machine   backend cpu avx512, bf16, 1 thread" with avx512 pretrain --resume asked --other-machine
exit $failed
