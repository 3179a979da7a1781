#!/usr/bin/env bash
# A sample of tools/damage: two dozen damaged run folders, drawn by one seed. docs/HOSTILE.md describes the whole sweep.
set -u
exec "$(dirname "$0")/../../tools/damage" 24 2 "$1"
