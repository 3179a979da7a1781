#!/usr/bin/env bash
# Cells of the CSV files that `eval` writes: names of classes and files come from users, and none may act as a
# formula in a spreadsheet; numbers stay numbers.
set -u
mixmae=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
cd "$work" || exit 1
"$mixmae" synth --output drawn --classes 2 --images 4 --size 32 --quiet || fail synth
names=('=1+1' '+2' '-3' '@sum' $'\tx' 'a=1' "'b" '=q"u,o' '4')
for name in "${names[@]}"; do mkdir -p "data/$name" && cp drawn/train/clouds/00000.png "data/$name/=$RANDOM.png"; done
"$mixmae" finetune --model micro --data data --epochs 1 --batch-size 2 --threads 1 --dtype f32 --output tuned --quiet || fail finetune
"$mixmae" eval --checkpoint tuned/model.safetensors --data data --split all --output result --quiet >/dev/null || fail eval
for file in confusion per_class predictions; do
    grep -nP '(^|,)"?[=+\-@\t]' result/$file.csv && fail "$file.csv has the cells above, which are formulas"
done
# first cells: a guard before what begins like a formula, nothing before the others; then numbers as they were
for cell in "'=1+1" "'+2" "'-3" "'@sum" $'\'\tx' a=1 "'b" "\"'=q\"\"u,o\"" 4; do
    cut -c "1-$((${#cell} + 1))" result/per_class.csv | grep -qxF -- "$cell," || { fail "per_class.csv has no $cell"; cat result/per_class.csv; }
    cut -c "1-$((${#cell} + 1))" result/confusion.csv | grep -qxF -- "$cell," || fail "confusion.csv has no row $cell"
done
[ "$(grep -cP ',1,[01],[0-9.]+$' result/per_class.csv)" = ${#names[@]} ] || { fail "numbers of per_class.csv"; cat result/per_class.csv; }
[ "$(grep -cP "/=[0-9]+\\.png\"?," result/predictions.csv)" = ${#names[@]} ] || { fail "files of predictions.csv"; cat result/predictions.csv; }
exit $failed
