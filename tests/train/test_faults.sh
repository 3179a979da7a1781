#!/usr/bin/env bash
# A sample of tools/faults: for each command, every kind of call fails at some of its places, one per run.
# docs/FAULTS.md describes the whole sweep.
set -u
exec "$(dirname "$0")/../../tools/faults" --points 6 "$1"
