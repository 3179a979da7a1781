#!/usr/bin/env bash
# --device: what it takes, what it refuses by name, and runs whose options.ini is of the time of --backend.
. "$(dirname "$0")/../lib/lib.sh"
plan=("$mixmae" plan --model nano --steps 0)
expect 0 "backend ref, f32" "${plan[@]}" --device ref
expect 0 "backend ref:0, f32" "${plan[@]}" --device ref:0
expect 1 "device ref:1: expected ref or ref:N with N from 0 to 0" "${plan[@]}" --device ref:1
for bad in ref: ref:x ref:-1 ref:0x ref:1000000; do expect 1 "device $bad: expected ref" "${plan[@]}" --device "$bad"; done
for bad in refx abacus "''" metal:0; do expect 1 "device $bad: expected one of those that this build has: .*ref$" "${plan[@]}" --device "$bad"; done
"$mixmae" --version | grep -q '^backends.*cuda (' || expect 1 "device cuda is not part of this build, which has .*ref \(it needs -DMIXMAE_CUDA=ON\)" "${plan[@]}" --device cuda:1
expect 2 "backend" "${plan[@]}" --backend ref
if "$mixmae" --version | grep -q '^backends.*mock'; then
    expect 0 "backend mock:1" "${plan[@]}" --device mock:1
    expect 1 "device mock:2: expected mock or mock:N with N from 0 to 1" "${plan[@]}" --device mock:2
    expect 0 "only 1073.7 MB are free on the device" "$mixmae" plan --model base --batch-size 32 --steps 0 --device mock:1
    "${plan[@]}" --device mock | grep -q "free on the device" && fail "warns of a small model"
    "$mixmae" --help 2>&1 | grep -q mock && fail "help names a device of tests"
    expect 0 "" "$mixmae" verify --quiet --device mock:1 tests/golden/pretrain_64.safetensors
else
    expect 1 "device mock: expected one of those that this build has: .*ref$" "${plan[@]}" --device mock
fi
if ! "$mixmae" --version | grep -q '^backends.*cpu'; then
    expect 1 "device cpu is not part of this build, which has ref \(it needs -DMIXMAE_CPU=ON\)" "${plan[@]}" --device cpu
    expect 0 "^missing .*cpu backend" "$mixmae" --version
fi

# A run of ref whose options.ini says so in the words of old; it goes on to the bytes of one that never stopped.
"$mixmae" synth --output "$work/data" --classes 2 --images 4 --size 32 --seed 3 --quiet || fail synth
run=(pretrain --data "$work/data" --model nano --image-size 32 --batch-size 4 --threads 2 --quiet)
expect 0 "" "$mixmae" "${run[@]}" --epochs 8 --device ref --output "$work/whole"
grep -qx 'device = ref' "$work/whole/options.ini" || fail "options.ini: $(cat "$work/whole/options.ini")"
for order in 'device = cpu\nbackend = ref' 'backend = ref\ndevice = cpu' 'backend = ref'; do
    rm -rf "$work/old"
    cp -r "$work/whole" "$work/old"
    sed -i "s/^device = ref\$/$order/" "$work/old/options.ini"
    expect 0 "backend ref, f32" "$mixmae" plan --config "$work/old/options.ini" --steps 0 # as any option file
    expect 2 "--device: the run to resume was started with ref, not abacus" "$mixmae" pretrain --resume "$work/old" --device abacus
    expect 0 "" "$mixmae" pretrain --resume "$work/old" --device ref:0 --quiet
done
"$mixmae" "${run[@]}" --epochs 8 --device ref --save-every 1 --output "$work/half" >/dev/null 2>&1 &
while kill -0 $! 2>/dev/null && [ ! -e "$work/half/state.safetensors" ]; do sleep 0.02; done
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
sed -i 's/^device = ref$/device = cpu\nbackend = ref/; s/^save-every = .*/save-every = 10m/' "$work/half/options.ini"
expect 0 "" "$mixmae" pretrain --resume "$work/half" --quiet
cmp "$work/whole/model.safetensors" "$work/half/model.safetensors" || fail "a resumed run of old"
exit $failed
