#!/usr/bin/env bash
# The library as a user gets it: installed into an empty folder, found by pkg-config, linked shared and static
# by a program outside this tree, in C and C++. It exports only mixmae.h's names; pages and completions match
# the option table; uninstalling removes every file.
. "$(dirname "$0")/../lib/lib.sh"

# ---- install, by way of a packager's DESTDIR, then moved: nothing may hold on to its place
DESTDIR="$work/stage" cmake --install "$build" --prefix /opt/mixmae >"$work/log" 2>&1 || { cat "$work/log"; fail "install"; exit 1; }
cp "$build/install_manifest.txt" "$work/installed.txt"
mv "$work/stage/opt/mixmae" "$work/root"
root=$work/root
pc=$(find "$root" -name mixmae.pc)
[ -n "$pc" ] || { fail "no mixmae.pc"; exit 1; }
export PKG_CONFIG_PATH=${pc%/*}
lib=$(pkg-config --variable=libdir mixmae)
[ "$(pkg-config --modversion mixmae)" = "$("$mixmae" --version | sed -n '1s/mixmae //p')" ] || fail "version of mixmae.pc"
"$root/bin/mixmae" --version >/dev/null || fail "the installed command does not start"

cmp recipes/pretrain_base.ini "$root/share/mixmae/recipes/pretrain_base.ini" || fail "recipes are not installed"

# ---- only the header's functions are exported, and all of them
sed -n 's/^[a-z].*[ *]\(mixmae_[a-z_]*\)(.*/\1/p' include/mixmae.h | sort -u >"$work/declared"
nm -D --defined-only "$lib/libmixmae.so" | awk '$2 != "A" {print $3}' | sort -u >"$work/exported"
diff "$work/declared" "$work/exported" || fail "exported names are not mixmae.h's"
[ "$(wc -l <"$work/declared")" -gt 15 ] || fail "the header's functions were not found"
readelf -d "$lib/libmixmae.so" | grep -q 'SONAME.*\[libmixmae\.so\.[0-9]*\]' || fail "no soname"

# ---- a program of one's own
mkdir "$work/user" && cp examples/embed.c "$work/user" && cd "$work/user" || exit 1
[ "$(wc -l <embed.c)" -lt 60 ] || fail "the example has grown to 60 lines"
cc -std=c11 -Wall -Wextra -Werror embed.c $(pkg-config --cflags --libs mixmae) -o shared || fail "linking the .so"
cc -std=c11 embed.c $(pkg-config --cflags mixmae) $(pkg-config --static --libs mixmae | sed 's/-lmixmae\b/-l:libmixmae.a/') -o static ||
    fail "linking the .a"
ldd static | grep -q libmixmae && fail "the static program asks for libmixmae.so"
LD_LIBRARY_PATH=$lib ldd shared | grep -q "$lib/libmixmae.so" || fail "the shared program does not use this libmixmae.so"

"$mixmae" synth --output images --classes 2 --images 4 --size 32 --seed 1 --quiet || fail "synth"
"$mixmae" pretrain --data images --output run --model micro --embed-dim 16 --num-heads 1,2,4 --depths 1,1,1 --decoder-dim 32 \
    --decoder-depth 1 --batch-size 4 --epochs 1 --threads 1 --quiet || fail "pretrain"
picture=$(find images -name '*.png' | sort | head -n 1)
LD_LIBRARY_PATH=$lib ./shared run/model.safetensors "$picture" >shared.txt || fail "the shared program fails"
./static run/model.safetensors "$picture" >static.txt || fail "the static program fails"
cmp shared.txt static.txt || fail "shared and static differ"
[ "$(wc -l <shared.txt)" = 64 ] || fail "expected 64 features, found $(wc -l <shared.txt)"
./static run/model.safetensors embed.c >out 2>&1 && fail "a text passes as an image"
grep -q "embed.c: expected a JPEG" out || { fail "no clear message:"; cat out; }
./static embed.c "$picture" >out 2>&1 && fail "a text passes as a checkpoint"
grep -q "embed: embed.c:" out || { fail "no clear message:"; cat out; }

if command -v g++ >/dev/null; then
    cat >user.cc <<'CC'
#include <mixmae.h>
#include <mixmae.h>
int main() {
    mixmae_model_info info{};
    mixmae_outputs out{};
    char message[64];
    mixmae_model *model = nullptr;
    return mixmae_version()[0] == '\0' || mixmae_model_load(&model, "/nowhere", nullptr, message, sizeof message) != MIXMAE_ERR_IO ||
           info.stages || out.features || !message[0];
}
CC
    g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror user.cc $(pkg-config --cflags --libs mixmae) -o user && LD_LIBRARY_PATH=$lib ./user ||
        fail "the header in C++"
fi

# ---- pages: one a command, every option in it, roff without complaint
for command in $("$mixmae" --list-commands); do
    page=$root/share/man/man1/mixmae-$command.1
    [ -s "$page" ] || { fail "no page for $command"; continue; }
    "$mixmae" "$command" --help | sed -n 's/^  --\(\[no-\]\)\?\([a-z-]*\).*/\2/p' | grep -v '^help$' >options
    while read -r option; do
        grep -qF -- "\\fB\\-\\-${option//-/\\-}\\fR" "$page" || fail "mixmae-$command(1) lacks --$option"
        for shell in bash-completion/completions/mixmae zsh/site-functions/_mixmae; do
            sed -n "/^    $command)/,/;;/p" "$root/share/$shell" | grep -qE -- "--$option([^a-z-]|\$)" || fail "$shell lacks $command --$option"
        done
        grep -qE "seen_subcommand_from $command' -l $option " "$root/share/fish/vendor_completions.d/mixmae.fish" ||
            fail "fish lacks $command --$option"
    done <options
done
grep -q 'mixmae\\-pretrain' "$root/share/man/man1/mixmae.1" || fail "mixmae(1) does not name pretrain"
if command -v groff >/dev/null; then
    for page in "$root"/share/man/man1/*.1; do
        [ -z "$(groff -man -ww -z "$page" 2>&1)" ] || { fail "$page"; groff -man -ww -z "$page"; }
    done
fi

# complete WORD...: what bash offers for the last word
complete_words() {
    bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mixmae; echo "${COMPREPLY[*]}"' \
        "$root/share/bash-completion/completions/mixmae" "$@"
}
[ "$(complete_words mixmae pret)" = pretrain ] || fail "bash: pret<TAB>"
[ "$(complete_words mixmae pretrain --mask)" = --mask-ratio ] || fail "bash: --mask<TAB>"
[ "$(complete_words mixmae pretrain --no-q)" = --no-quiet ] || fail "bash: --no-q<TAB>"
[ "$(complete_words mixmae bench --model na)" = nano ] || fail "bash: --model na<TAB>"
[ "$(complete_words mixmae synth --mask)" = "" ] || fail "bash: synth has no mask"
for shell in zsh fish; do
    command -v $shell >/dev/null || continue
    "$mixmae" --completion $shell >script && $shell -n script || fail "$shell does not read its script"
done
"$mixmae" --completion tcsh >out 2>&1
[ $? = 2 ] && grep -q "expected bash, zsh or fish, found tcsh" out || fail "--completion tcsh"

# ---- and away again
mkdir -p "$work/stage/opt" build && mv "$work/root" "$work/stage/opt/mixmae" && cp "$work/installed.txt" build/
make -s -f "$source/Makefile" uninstall DESTDIR="$work/stage" >/dev/null || fail "uninstall"
left=$(find "$work/stage" ! -type d | head -n 3)
[ -z "$left" ] || fail "left behind: $left"
exit $failed
