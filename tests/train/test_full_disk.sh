#!/usr/bin/env bash
# Runs on disks that get full: a tmpfs of some sizes, on which the run ends at one file or another. It must say which
# file and why, and with more room go on to the bytes of an undisturbed run. (tools/faults --calls full does the same
# at every write, without a disk.)
if [ "${2:-}" != inside ]; then
    unshare -rm sh -c 'mount -t tmpfs none /mnt' 2>/dev/null || { echo "skipped: nothing can be mounted here"; exit 77; }
    exec unshare -rm bash "$0" "$1" inside
fi
. "$(dirname "$0")/../lib/lib.sh"
cd "$work" || exit 1
mkdir disk
trap 'cd /; umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT

"$mixmae" synth --output data --classes 2 --images 8 --size 32 --seed 3 --quiet || fail synth
small=(--model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1)
train=(--batch-size 4 --epochs 2 --threads 1 --dtype f32 --log-every 1 --save-every 2 --quiet)
pretrain=("$mixmae" pretrain --data data "${small[@]}" --decoder-dim 32 --decoder-depth 1 --picture-every 1 "${train[@]}")
"${pretrain[@]}" --output plain-pretrain || fail "the undisturbed pretraining"
finetune=("$mixmae" finetune --data data --init plain-pretrain/model.safetensors "${train[@]}")
"${finetune[@]}" --output plain-finetune || fail "the undisturbed fine-tuning"
results() { # FOLDER
    (cd "$1" && md5sum ./*.safetensors $(find pictures -type f 2>/dev/null | sort) && ls -A | sed 's/^events.*/events/' | sort -u &&
     sed -E 's/"(images_per_second|wait_share)":[^,}]*,?//g; s/,\}/}/' log.jsonl)
}
declare -A full
try() { # COMMAND KILOBYTES
    local command=$1
    local -n run=$command
    mount -t tmpfs -o size="$2"k none disk || { fail "mount"; return; }
    "${run[@]}" --output disk/run >out 2>&1 </dev/null
    local code=$?
    if [ $code != 0 ]; then
        local last; last=$(tail -1 out)
        [ $code = 4 ] && [[ $last =~ ^"mixmae $command: ".*(disk/run[^ :]*)": No space left on device" ]] ||
            fail "$command, $2 KB: exit $code: $last"
        local file=${BASH_REMATCH[1]:-none}
        file=${file#disk/run/} file=${file%%.[0-9]*}
        full[$command ${file/-0*/}]=1
        mount -o remount,size=64m disk
        if ls disk/run/*.safetensors >/dev/null 2>&1; then
            expect 0 "" "$mixmae" "$command" --resume disk/run --quiet
        else
            expect 0 "" "${run[@]}" --output disk/run
        fi
    fi
    results disk/run >now 2>&1
    diff "plain-$command.txt" now >differs || { fail "$command, $2 KB: other results"; head -5 differs; }
    umount disk
}
for command in pretrain finetune; do
    results plain-$command >plain-$command.txt
    room=$(du -sk --apparent-size plain-$command | cut -f1)
    # a save needs a second state; small files are reached by sizes close together
    for size in 4 8 12 16 20 24 $((room / 4)) $((room / 2)) $((room - 200)) $((room - 100)) $((room - 64)) $((room - 32)) $((room - 16)) $room $((room + 100)) $((room + 300)); do
        [ $failed = 1 ] || try $command "$size"
    done
done
echo "full at: ${!full[*]}"
[ ${#full[@]} -ge 6 ] || fail "only at ${!full[*]}"
exit $failed
