#!/usr/bin/env bash
# `make bundle`: the folder works after a move and through a link, and needs only a kernel and a shell of the
# system. It computes the same bytes, its libmixmae.so can be linked by other programs, and it has the licence
# of every library in it.
. "$(dirname "$0")/../lib/lib.sh"

tools/bundle "$build" "$work/first" >"$work/log" 2>&1 || { cat "$work/log"; fail "tools/bundle"; exit 1; }
mkdir "$work/an other" && tar -C "$work/an other" -xzf "$work/first.tar.gz" && rm -rf "$work/first" || fail "the archive"
bundle="$work/an other/first"
ln -s "$bundle/bin/mixmae" "$work/link"

# ---- the same program, wherever it lies and however it is called
alone() { env -i PATH=/usr/bin:/bin LD_LIBRARY_PATH=/nowhere "$@"; }
[ "$(alone "$work/link" --version)" = "$("$mixmae" --version)" ] || fail "through a link: $(alone "$work/link" --version 2>&1)"
golden=$source/tests/golden/pretrain_64.safetensors
"$mixmae" verify --threads 2 --output "$work/ours" "$golden" >/dev/null || fail "verify"
alone "$bundle/bin/mixmae" verify --threads 2 --output "$work/theirs" "$golden" >/dev/null || fail "verify of the bundle"
cmp "$work/ours" "$work/theirs" || fail "other bytes"
alone "$bundle/bin/mixmae" nonsense 2>/dev/null
[ $? = 2 ] || fail "the exit code is lost"
cmp recipes/pretrain_base.ini "$bundle/share/mixmae/recipes/pretrain_base.ini" || fail "no recipes"

# ---- nothing from outside: by the loader's own list, and in a root where there is nothing else
loader=$(find "$bundle/lib/mixmae" -name 'ld-linux*')
list() { "$loader" --library-path "$bundle/lib/mixmae:$bundle/lib" --list "$1"; }
for file in "$bundle/lib/mixmae/mixmae" "$bundle"/lib/*.so*; do
    list "$file" >"$work/list" || fail "${file##*/}: $(cat "$work/list")"
    grep -qE 'libc\.so|statically linked' "$work/list" || fail "${file##*/}: not a list: $(cat "$work/list")"
    grep '=>' "$work/list" | grep -vF "=> $bundle/lib/" && fail "${file##*/} reaches outside"
done
if [ "$(id -u)" = 0 ]; then
    mkdir "$work/root" && mv "$bundle" "$work/root/b" && bundle=$work/root/b
    inside() { chroot "$work/root" "/b/lib/mixmae/${loader##*/}" --library-path /b/lib/mixmae:/b/lib /b/lib/mixmae/mixmae "$@" >"$work/log" 2>&1; }
    inside synth --output /s --classes 2 --images 4 --size 64 && inside pretrain --model nano --batch-size 4 --epochs 1 --data /s --output /run &&
        [ -s "$work/root/run/model.safetensors" ] || { cat "$work/log"; fail "in an empty root"; }
else
    echo "left out: an empty root (needs root)"
fi

# ---- for other programs: this system's C library, the bundle's everything else
cp examples/embed.c "$work/embed.c"
export PKG_CONFIG_PATH=$bundle/lib/pkgconfig
eval "cc -std=c11 '$work/embed.c' $(pkg-config --cflags --libs mixmae) -Wl,-rpath,'$bundle/lib' -o '$work/embed'" || fail "linking the bundle's library"
ldd "$work/embed" | grep '=> /' | grep -vF "=> $bundle/lib/" | grep -vE '/lib(c|m)\.so' && fail "a program's libraries reach outside"
ldd "$work/embed" | grep -F 'libtiff' | grep -qF "$bundle/lib/" || fail "no libtiff from the bundle: $(ldd "$work/embed")"
"$work/embed" >/dev/null 2>"$work/log"
[ $? != 127 ] && [ -s "$work/log" ] || fail "the program does not start"

# ---- licences
for file in "$bundle"/lib/*.so.* "$bundle"/lib/mixmae/*; do
    name=${file##*/}
    case $name in libmixmae.* | mixmae) continue ;; esac
    package=$(awk -v f="$name" '$1 == f { print $2 }' "$bundle/LIBRARIES")
    [ -n "$package" ] && [ -s "$bundle/share/licenses/$package" ] || fail "no licence for $name"
done
exit $failed
