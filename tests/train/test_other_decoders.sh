#!/usr/bin/env bash
# A run's state names the libraries that decode its images. Other versions: refused with both named, or gone on with
# --other-machine, which is said and logged; only those of formats that the data have count. A preloaded library
# answers with another version.
. "$(dirname "$0")/../lib/lib.sh"
cd "$work" || exit 1
cat >other.c <<'C'
const char *png_get_libpng_ver(const void *png) { (void)png; return "9.8.7"; }
int WebPGetDecoderVersion(void) { return 0x090807; }
C
cc -shared -fPIC -o other.so other.c || { echo "skipped: no compiler"; exit 77; }
"$mixmae" synth --output data --classes 2 --images 8 --size 32 --seed 3 --quiet || fail synth
run=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --batch-size 4 --epochs 9000 --threads 1 --dtype f32
     --log-every 1)
pretrain=(pretrain "${run[@]}" --decoder-dim 32 --decoder-depth 1 --picture-every -1)
finetune=(finetune "${run[@]}")
stop() { # DIR COMMAND...: begun, and stopped when DIR has gone on by a step
    local dir=$1 lines=0
    shift
    [ -f "$dir/log.jsonl" ] && lines=$(wc -l <"$dir/log.jsonl")
    "$@" >out 2>&1 & pid=$!
    for _ in $(seq 1200); do
        kill -0 $pid || break
        [ "$(wc -l <"$dir/log.jsonl")" -gt $((lines + 1)) ] && break
        sleep 0.02
    done 2>/dev/null
    kill -TERM $pid
    wait $pid
    [ $? = 3 ] || { fail "a stopped run must exit with 3: $*"; cat out; }
}
elsewhere=(env LD_PRELOAD="$work/other.so" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0")

for task in pretrain finetune; do
    list=$task[@]
    stop here "$mixmae" "${!list}" --data data --output here
    grep -qa '"decoders":"libpng [0-9.]*"' here/state.safetensors || fail "the state names other libraries than libpng"
    png=$(grep -ao '"decoders":"libpng [0-9.]*"' here/state.safetensors | tr -dc 0-9.)
    rm -rf stayed && cp -r here stayed
    cp here/state.safetensors before
    stop stayed "$mixmae" $task --resume stayed
    grep -q '"event"' stayed/log.jsonl && fail "the same libraries were told as others"
    if ! "${elsewhere[@]}" "$mixmae" --version >out 2>&1; then
        echo "skipped: nothing can be preloaded here"
        exit 77
    fi
    expect 1 "decoded by libpng $png, here 9.8.7: pixels.*--other-machine continues" \
        "${elsewhere[@]}" "$mixmae" $task --resume here
    same before here/state.safetensors
    stop here "${elsewhere[@]}" "$mixmae" $task --resume here --other-machine
    grep -q "from here on images are decoded by other versions, as --other-machine says: libpng $png, here 9.8.7" out ||
        fail "it was not said"
    grep -q "\"event\":\"from here on images are decoded .* libpng $png, here 9.8.7\"" here/log.jsonl ||
        fail "not logged"
    stop here "${elsewhere[@]}" "$mixmae" $task --resume here
    expect 1 "decoded by libpng 9.8.7, here $png" "$mixmae" $task --resume here
    rm -rf here
done

exit $failed
