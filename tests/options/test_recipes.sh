#!/usr/bin/env bash
# Every recipe has only options of its command, with valid values. Its head names accuracy and origin; the
# authors' recipes have the authors' numbers; the table of recipes lists them all.
. "$(dirname "$0")/../lib/lib.sh"

# check FILE COMMAND: names against the command's help, then values by the parser (the data is missing on purpose)
check() {
    local file=$1 command=$2
    "$mixmae" "$command" --help | sed -n 's/^  --\(\[no-\]\)\?\([a-z-]*\).*/\2/p' >"$work/known"
    sed -n 's/^\([a-z-]*\) *=.*/\1/p' "$file" >"$work/names"
    [ -s "$work/names" ] || return 1
    grep -vxFf "$work/known" "$work/names" && return 1
    [ -z "$(sort "$work/names" | uniq -d)" ] || return 1
    "$mixmae" "$command" --config "$file" --data "$work/nowhere" --output "$work/run" >"$work/out" 2>&1
    [ $? = 4 ] && grep -q "nowhere" "$work/out" && return 0
    cat "$work/out"
    return 1
}

commands=$("$mixmae" --list-commands)
for file in recipes/*.ini; do
    name=$(basename "$file" .ini)
    command=${name%%_*}
    grep -qF "($name.ini)" recipes/README.md || fail "recipes/README.md does not list $name"
    grep -qE "^; .*(The paper |The table )" "$file" && grep -qE "^; .*(The authors'|Ours)" "$file" || fail "$file: its head lacks accuracy or origin"
    grep -qF "mixmae $command --config $file " "$file" || fail "$file: its head does not say how it is run"
    grep -qx "$command" <<<"$commands" || { fail "$file: no command $command"; continue; }
    check "$file" "$command" || fail "$file"
    [ "$command" != pretrain ] || "$mixmae" plan --config "$file" --steps 0 >/dev/null || fail "plan of $file"
done

# docs/TRAINING.md, "The authors' recipes": their own runs
has() { grep -qx "$2 = $3" "recipes/$1.ini" || fail "recipes/$1.ini: expected $2 = $3"; }
for pair in model=base epochs=600 warmup-epochs=40 batch-size=128 accum-steps=16 blr=1.5e-4 min-lr=0 betas=0.9,0.95 weight-decay=0.05 \
    crop-scale=0.2,1 mask-ratio=0.5 norm-pix-loss=true; do has pretrain_base "${pair%%=*}" "${pair#*=}"; done
for pair in model=base epochs=100 warmup-epochs=5 batch-size=128 accum-steps=8 blr=5e-4 min-lr=1e-6 betas=0.9,0.999 weight-decay=0.05 \
    layer-decay=0.7 drop-path=0.1 aa=rand-m9-mstd0.5-inc1 reprob=0.25 mixup=0.8 cutmix=1 smoothing=0.1; do
    has finetune_base_imagenet "${pair%%=*}" "${pair#*=}"
done

# The check itself must be able to fail.
for line in "epoch = 3" "layer-decai = 0.7" "batch-size = many" "epochs = 600"; do
    cp recipes/pretrain_base.ini "$work/bad.ini"
    echo "$line" >>"$work/bad.ini"
    check "$work/bad.ini" pretrain >/dev/null && fail "\"$line\" was not noticed"
done
exit $failed
