#!/usr/bin/env bash
# The CUDA backend compiled for GPUs, where nvcc is: sm_80, sm_90 and sm_100 without a warning, no kernel spills registers,
# and the attention kernels hold tensor-core instructions. What a GPU computes is not tested here (docs/developing/cuda.md).
. "$(dirname "$0")/../lib/lib.sh"
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || { echo "skipped: no nvcc"; exit 77; }
cd "$source" || exit 1
archs=(80 90 100)

compile() { # FILE: its messages, -Xptxas -v's among them, to $work/NAME.log
    local name=$(basename "$1" .cu) targets=() a
    for a in "${archs[@]}"; do targets+=(-gencode "arch=compute_$a,code=[sm_$a,compute_$a]"); done
    "$nvcc" -std=c++17 -I src -I include "${targets[@]}" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror -Xptxas -v,-warn-spills \
        -c "$1" -o "$work/$name.o" >"$work/$name.log" 2>&1 || echo "$name" >>"$work/failed"
}
for file in src/ops/cuda/*.cu; do
    compile "$file" &
    [ "$(jobs -r | wc -l)" -lt 2 ] || wait -n
done
wait
[ ! -e "$work/failed" ] || for name in $(cat "$work/failed"); do fail "$name.cu: $(grep -iE 'error|warning' "$work/$name.log")"; done

kernels=0
for log in "$work"/*.log; do
    kernels=$((kernels + $(grep -c 'Used [0-9]* registers' "$log")))
    spills=$(grep -B 1 -E '[1-9][0-9]* bytes spill' "$log" | grep 'Function properties')
    [ -z "$spills" ] || fail "$(basename "$log" .log).cu spills: $spills"
done
[ "$kernels" -ge 100 ] || fail "only $kernels kernels were compiled"
for name in attention attention_back; do # strings of the embedded PTX: one compute_NN for each target
    "$nvcc" -std=c++17 -I src -I include -arch=compute_80 -ptx src/ops/cuda/$name.cu -o "$work/$name.ptx" 2>/dev/null
    for kernel in $(sed -n 's/^\.visible \.entry \([^(]*\)(.*/\1/p; s/^\.entry \([^(]*\)(.*/\1/p' "$work/$name.ptx" | grep -v plain | grep kernel); do
        sed -n "/entry $kernel(/,/^}/p" "$work/$name.ptx" >"$work/kernel"
        [[ $kernel == *table* || $kernel == *sum* ]] || grep -q 'mma.sync.aligned.m16n8k16' "$work/kernel" || fail "$name.cu: $kernel uses no tensor cores"
    done
    [ "$(grep -c 'mma.sync' "$work/$name.ptx")" -gt 10 ] || fail "$name.cu has no tensor-core instructions"
done
echo "$kernels kernels for ${archs[*]}"
exit $failed
