#!/usr/bin/env bash
# The house rules: which folder may include which, which files may name oneDNN, file sizes, opening comments.
set -u
root=${2:-.}
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# allowed FOLDER "REGEX of includes"
allowed() {
    local folder=$1 regex=$2
    while IFS= read -r line; do
        fail "$line: $folder must not include that"
    done < <(grep -rnE '#include "' "$root/$folder" --include=*.c --include=*.h | grep -vE "#include \"($regex)" || true)
}
allowed src/base 'base/|mixmae.h'
allowed src/ops 'base/|ops/'
allowed src/model 'base/|ops/|model/'
allowed src/optim 'base/|ops/|model/|optim/'
allowed src/data 'base/|data/'
allowed src/io 'base/|io/|(tensorboard|onnx).pb-c.h'
allowed src/options 'base/|model/|data/|io/|options/|mixmae.h'
allowed src/objective 'base/|ops/|model/|data/|options/|objective/'
allowed src/checkpoint 'base/|ops/|model/|data/|io/|options/|checkpoint/|mixmae.h'
train='base/|ops/|model/|optim/|data/|io/|options/|objective/|checkpoint/|train/|mixmae.h'
allowed src/train "$train"
allowed src/infer "$train|infer/"
allowed src/report "$train|report/"
allowed src/verify "$train|verify/"
allowed src/run "$train|report/|run/"
allowed src/command "$train|report/|infer/|verify/|run/|command/"
allowed src/api "$train|infer/|run/|api/"
allowed cli 'progress.h'
for folder in "$root"/src/*/; do # each folder has its row above, and may include only what stands before it: no cycles
    grep -q "^allowed src/$(basename "$folder") " "$0" || fail "$folder has no row in the law"
done
grep -rnE '#include <' "$root/cli" | grep -vE '<(mixmae|stdio|stdlib|string|stdbool|signal|stdarg|time|malloc|fcntl|unistd|sys/ioctl)\.h>' && fail "cli includes mixmae.h and the system's headers only"
grep -nE '#include' "$root"/examples/*.c | grep -vE '<(mixmae|stdio|stdlib|string)\.h>' && fail "an example includes mixmae.h and standard headers only"
grep -nE '#include' "$root"/include/*.h | grep -vE '<(stdbool|stddef|stdint)\.h>' && fail "the public header includes standard headers only"
n=$(grep -rl 'dnnl_' "$root/src" "$root/cli" | wc -l)
[ "$n" -le 1 ] || fail "oneDNN is called from one file, found $n"
grep -rlE '<(pthread|fcntl|omp)\.h>|<cuda' "$root/src/model" && fail "model sees no threads, files or devices"
# A kind of encoder or head is known to its table alone.
grep -rnE '#include "model/(encoder/swin|head/classifier)' "$root/src" "$root/cli" |
    grep -vE '/model/encoder/(encoders|swin[a-z_]*)\.[ch]:|/model/head/(heads|classifier[a-z_]*)\.[ch]:' &&
    fail "encoders and heads are reached through their tables"
for file in $(find "$root/src/model" -name '*.c'); do
    grep -nE '^ *# *if' "$file" && fail "$file: model has no #if"
done
for file in $(find "$root/src" "$root/cli" "$root/include" "$root/examples" "$root/tests" -name '*.c' -o -name '*.h' | sort); do
    head -c 2 "$file" | grep -q '/\*' || fail "$file does not open with a comment"
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || fail "$file has $lines lines"
done

# The check itself must be able to fail.
if [ $# -lt 2 ]; then
    bad=$(mktemp -d)
    mkdir -p "$bad"/{src/{base,ops,model,optim,data,io,options,objective,checkpoint,train,infer,report,verify,run,command,api},cli,include,examples,tests}
    bash "$0" - "$bad" 2>/dev/null || fail "an empty tree breaks a rule"
    for pair in model:train/step.h options:train/step.h options:command/table.h train:command/table.h train:model/encoder/swin.h; do
        printf '/* x */\n#include "%s"\n' "${pair#*:}" >"$bad/src/${pair%:*}/bad.c"
        bash "$0" - "$bad" >/dev/null 2>&1 && fail "a forbidden include was not noticed: $pair"
        rm "$bad/src/${pair%:*}/bad.c"
    done
    rm -rf "$bad"
fi
exit $failed
