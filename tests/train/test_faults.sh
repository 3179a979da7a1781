#!/usr/bin/env bash
# A sample of tools/faults: for each command, every kind of call fails at some of its places, one per run; and the
# allocations of two image libraries that may call want of memory damage. docs/FAULTS.md describes the whole sweep.
set -u
faults=$(dirname "$0")/../../tools/faults
"$faults" --points 6 "$1" || exit
for library in libgif libwebp; do
    "$faults" --points 30 --commands pack-formats --calls malloc --library $library "$1" || exit
done
