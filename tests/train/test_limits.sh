#!/usr/bin/env bash
# Limits and losses while a command runs: the size of files, the reader of its output, memory, open files. The
# command reports them, keeps complete files and leaves none half-written.
set -u
mixmae=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
cd "$work" || exit 1
"$mixmae" synth --output drawn --classes 2 --images 8 --size 32 --quiet || fail synth
small="--model nano --image-size 32 --embed-dim 8 --depths 1,1,1 --num-heads 1,1,1 --window-size 8,4,2 --decoder-dim 16
       --decoder-depth 1 --decoder-num-heads 1 --batch-size 4 --threads 1 --dtype f32"
pretrain="pretrain $small --data drawn --log-every 1"

# limited CODE PATTERN KIB COMMAND...: with files of at most KIB, exit code, and a pattern in what was printed
limited() {
    local code=$1 pattern=$2 kib=$3
    shift 3
    (ulimit -f "$kib"; exec "$mixmae" "$@") >out 2>&1 </dev/null
    local got=$?
    [ $got = "$code" ] || { fail "$* with files of $kib KiB exited $got, expected $code"; cat out; }
    grep -qE -- "$pattern" out || { fail "$*: no \"$pattern\" in:"; cat out; }
    [ -z "$(find . -name '*.tmp')" ] || fail "$* left $(find . -name '*.tmp')"
}

# ---- files may not grow past a size
"$mixmae" $pretrain --epochs 1 --output whole --quiet || fail "a run without limits"
limited 4 "File too large" 8 $pretrain --epochs 1 --output cut
limited 4 "File too large" 1 embed --checkpoint whole/model.safetensors --data drawn --layer tokens --output features.npy
limited 4 "File too large" 1 pack --data drawn --output shards
limited 4 "File too large" 1 synth --output more --classes 2 --images 2 --size 256
[ ! -e features.npy ] || fail "features.npy was left cut"

# ---- the reader of the output ends
unread() { # RUN: trains with both streams into a pipe whose reader is gone; its exit code in the file code
    { sleep 0.3; "$mixmae" $pretrain --epochs 2 --output "$1"; echo $? >code; } 2>&1 | true
}
unread piped
[ "$(cat code)" = 0 ] || fail "without a reader a run exited $(cat code)"
"$mixmae" $pretrain --epochs 2 --output heard --quiet || fail "a run that is heard"
cmp piped/model.safetensors heard/model.safetensors || fail "without a reader a run came to other bytes"
{ sleep 0.3; "$mixmae" --help; echo $? >code; } 2>/dev/null | true # ends with its reader, by SIGPIPE
[ "$(cat code)" = 141 ] || fail "help without a reader exited $(cat code)"

# ---- little memory, few files: a sentence and no signal
for kib in 80000 120000 200000; do
    (ulimit -v $kib; exec "$mixmae" --version) >/dev/null 2>&1 || continue # not even loaded: a sanitized build
    (ulimit -v $kib; exec "$mixmae" $pretrain --epochs 1 --output "narrow$kib") >out 2>&1
    code=$?
    [ $code = 127 ] && continue # its libraries could not be opened: it was not begun
    [ $code -le 6 ] || { fail "with $kib KiB of addresses exited $code"; cat out; }
    [ $code = 0 ] || grep -qiE "memory|thread|allocate|load" out || { fail "with $kib KiB nothing was said:"; cat out; }
done
for files in 4 5 6 7 8 12; do
    (ulimit -n $files; exec "$mixmae" $pretrain --epochs 1 --output "few$files") >out 2>&1
    code=$?
    [ $code = 127 ] && continue # its libraries could not be opened: it was not begun
    [ $code -le 6 ] || { fail "with $files open files exited $code"; cat out; }
    grep -qE "folder +in|open +:" out && { fail "with $files open files a name is empty:"; cat out; }
    [ $code = 0 ] || grep -q "Too many open files" out || { fail "with $files open files nothing was said:"; cat out; }
done

# ---- what was taken out of a run's folder, or put into it, between two legs
leg() { # COMMAND...: a leg that stops after its first save
    (exec "$mixmae" "$@") >out 2>&1 </dev/null &
    local pid=$!
    for _ in $(seq 1200); do [ -e run/state.safetensors ] && break; kill -0 $pid 2>/dev/null || break; sleep 0.02; done
    kill -INT $pid 2>/dev/null
    wait $pid
}
refused_link() { # NAME COMMAND...
    local name=$1 code
    shift
    timeout -s INT 20 "$mixmae" "$@" >out 2>&1 </dev/null
    code=$?
    [ $code = 4 ] || { fail "with a link for $name exited $code"; head -12 out; }
    grep -q "/$name is a symbolic link" out || { fail "the link for $name is not named:"; head -12 out; }
    grep -q "^training" out && fail "with a link for $name training began"
    [ "$(ls elsewhere)" = step-kept.png ] && [ ! -s elsewhere/step-kept.png ] || fail "something came through the link for $name: $(ls elsewhere | head -3)"
}
leg $pretrain --epochs 2000 --save-every 8 --picture-every 1 --output run
[ -e run/state.safetensors ] || fail "no state was saved"
cp -r run kept
rm -r run/pictures # before it is resumed
"$mixmae" pretrain --resume run >out 2>&1 </dev/null &
pid=$!
for _ in $(seq 1200); do compgen -G "run/pictures/*.png" >/dev/null && break; kill -0 $pid 2>/dev/null || break; sleep 0.02; done
mv run/pictures taken # and while it runs
for _ in $(seq 1200); do compgen -G "run/pictures/*.png" >/dev/null && break; kill -0 $pid 2>/dev/null || break; sleep 0.02; done
kill -INT $pid 2>/dev/null
wait $pid
[ $? = 3 ] || { fail "a run whose pictures/ was removed did not go on"; cat out; }
mkdir elsewhere && touch elsewhere/step-kept.png
for name in pictures log.jsonl; do
    rm -rf run && cp -r kept run && rm -r "run/$name" && ln -s ../elsewhere run/$name
    [ $name = pictures ] || ln -sfn ../elsewhere/step-kept.png run/$name
    refused_link $name pretrain --resume run
    rm run/*.safetensors # a run that has saved nothing is begun anew
    refused_link $name $pretrain --epochs 1 --output run
done
# what is written whole takes the link's place, and what it pointed to stays
rm -rf run && "$mixmae" $pretrain --epochs 1 --output run --quiet || fail "a run"
for name in model.safetensors report.html; do ln -sf ../elsewhere/step-kept.png run/$name; done
cp kept/options.ini kept/state.safetensors run/
"$mixmae" pretrain --resume run >out 2>&1 </dev/null &
pid=$!
for _ in $(seq 1200); do [ ! -L run/model.safetensors ] && break; kill -0 $pid 2>/dev/null || break; sleep 0.02; done
kill -INT $pid 2>/dev/null
wait $pid
[ $? = 3 ] || { fail "a run with links for its results did not stop as asked"; tail -3 out; }
[ ! -L run/model.safetensors ] && [ ! -L run/report.html ] && [ ! -s elsewhere/step-kept.png ] || { fail "a link in a run's folder was followed"; ls -l run elsewhere; tail -3 out; }
# the folder itself may be a link: that is for its owner to say
mkdir real && ln -s real linked && "$mixmae" $pretrain --epochs 1 --output linked --quiet && [ -e real/model.safetensors ] || fail "--output as a link"
exit $failed
