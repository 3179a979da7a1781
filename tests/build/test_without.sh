#!/usr/bin/env bash
# Builds without some parts: each image library in turn, then all of them and the cpu backend. Errors name the
# missing part and do not report damage, and everything else works.
. "$(dirname "$0")/../lib/lib.sh"

# One 8x8 image of each format, and four arrays to train on.
mkdir -p "$work/jpeg" "$work/png" "$work/webp" "$work/tiff" "$work/gif" "$work/npy" "$work/mixed"
base64 -d >"$work/jpeg/a.jpg" <<'END'
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AC//Z
END
base64 -d >"$work/png/a.png" <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGM8YSPCgA0wYRUdtBIA4EwBKCQ+tnkAAAAASUVORK5CYII=
END
base64 -d >"$work/webp/a.webp" <<'END'
UklGRh4AAABXRUJQVlA4TBEAAAAvB8ABAAdQniKXov+BiOh/AAA=
END
base64 -d >"$work/tiff/a.tif" <<'END'
SUkqABYAAAB4nDthI3JiKCMAkkZGAQoAAAEDAAEAAAAIAAAAAQEDAAEAAAAIAAAAAgEDAAMAAACUAAAAAwEDAAEAAAAIAAAABgEDAAEAAAACAAAAEQEEAAEAAAAIAAAAFQEDAAEAAAADAAAAFgEDAAEAAAAIAAAAFwEEAAEAAAAOAAAAHAEDAAEAAAABAAAAAAAAAAgACAAIAA==
END
base64 -d >"$work/gif/a.gif" <<'END'
R0lGODdhCAAIAIEAAArIHgECAwAAAAAAACwAAAAACAAIAAAIFAABBBBIcKDBgggPKkzIcKHDhgEBADs=
END
for i in 1 2 3 4; do
    { printf "\x93NUMPY\x01\x00\x46\x00%-69s\n" "{'descr': '|u1', 'fortran_order': False, 'shape': (16, 16, 3), }"
      head -c 768 /dev/zero | tr '\0' "\\$i$i"; } >"$work/npy/$i.npy"
done
cp "$work"/*/?.* "$work/mixed"

small=(--model nano --embed-dim 16 --depths 1,1,1 --decoder-dim 32 --decoder-depth 1 --decoder-num-heads 2 --batch-size 2)
mixmae=$work/build/mixmae
build() { # CMAKE OPTIONS...: $mixmae, and --version's text in $work/about
    cmake -S . -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DMIXMAE_JPEG=ON -DMIXMAE_PNG=ON -DMIXMAE_WEBP=ON -DMIXMAE_TIFF=ON -DMIXMAE_GIF=ON "$@" >"$work/log" 2>&1 &&
        cmake --build "$work/build" --target mixmae >"$work/log" 2>&1 || { tail -n 30 "$work/log"; fail "building with $*"; return 1; }
    "$mixmae" --version >"$work/about"
}
lacks() { # FOLDER NAME LIBRARY [FILE]: the format is missing by name; the others are decoded
    local of
    grep -qx "missing .*$2.*" "$work/about" && ! grep -q "^images.*$2" "$work/about" || { fail "--version without $2:"; cat "$work/about"; }
    readelf -d "$mixmae" | grep -q "NEEDED.*${4:-$3}\." && fail "$3 is still linked"
    expect 1 "$2 is not part of this build \(it was made without $3\)" "$mixmae" pack --size 0 --data "$work/$1" --output "$work/p"
    expect 1 "$2 is not part of this build" "$mixmae" pretrain "${small[@]}" --data "$work/mixed" --output "$work/run"
    for of in jpeg png webp tiff gif npy; do
        [ $of = "$1" ] || expect 0 'train  [14] images' "$mixmae" pack --size 0 --data "$work/$of" --output "$work/p"
        rm -rf "$work/p" "$work/run"
    done
}

build -DMIXMAE_WEBP=OFF && lacks webp WebP libwebp
mkdir "$work/wrong" && cp "$work/webp/a.webp" "$work/wrong/a.png" # by content: not damaged but missing
expect 4 'left out: .*/wrong/a.png: WebP is not part of this build' "$mixmae" pack --size 0 --data "$work/wrong" --output "$work/p"
rm -rf "$work/p"

build -DMIXMAE_TIFF=OFF && lacks tiff TIFF libtiff

build -DMIXMAE_GIF=OFF && lacks gif GIF giflib libgif

build -DMIXMAE_JPEG=OFF && lacks jpeg JPEG libjpeg
expect 1 '--size 64 .*: JPEG is not part of this build' "$mixmae" pack --size 64 --data "$work/png" --output "$work/p"

build -DMIXMAE_PNG=OFF && lacks png PNG libpng
expect 1 'PNG is not part of this build' "$mixmae" synth --output "$work/s" --classes 2 --images 2 --size 32
expect 0 'pictures  none: PNG is not part of this build' "$mixmae" pretrain "${small[@]}" --epochs 1 --data "$work/npy" --output "$work/run"
[ -s "$work/run/model.safetensors" ] || fail "no model without PNG"
expect 1 'PNG is not part of this build' "$mixmae" reconstruct --checkpoint "$work/run/model.safetensors" --images "$work"/npy/*.npy --output "$work/g.png"
rm -rf "$work/run"

build -DMIXMAE_JPEG=OFF -DMIXMAE_PNG=OFF -DMIXMAE_WEBP=OFF -DMIXMAE_TIFF=OFF -DMIXMAE_GIF=OFF -DMIXMAE_CPU=OFF
grep -qx 'missing   cuda backend, cpu backend, JPEG, PNG, WebP, TIFF, GIF' "$work/about" || { fail "--version of the smallest build:"; cat "$work/about"; }
expect 0 'training loss|loss' "$mixmae" pretrain "${small[@]}" --epochs 1 --data "$work/npy" --output "$work/run"
expect 1 'device cpu is not part of this build, which has ref' "$mixmae" pretrain "${small[@]}" --device cpu --data "$work/npy" --output "$work/run2"

# A machine without the library: AUTO, the default, goes on without the format; ON ends the configuration.
mkdir "$work/pc"
pkg-config --variable pc_path pkg-config | tr : '\n' | while read -r folder; do
    for f in "$folder"/*.pc; do [ -e "$f" ] && ln -sf "$f" "$work/pc/"; done
done
rm "$work/pc/libtiff-4.pc"
export PKG_CONFIG_LIBDIR=$work/pc
rm -rf "$work/build"
expect 0 'without TIFF images' cmake -S . -B "$work/build" -G Ninja
expect 1 'libtiff-4' cmake -S . -B "$work/build" -G Ninja -DMIXMAE_TIFF=ON
[ "$failed" = 0 ] && echo "all builds work"
exit $failed
