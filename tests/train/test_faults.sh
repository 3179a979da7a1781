#!/usr/bin/env bash
# A sample of tools/faults: every kind of call is failed at some of its places, one a run, for each command.
# docs/FAULTS.md has the whole sweep.
set -u
exec "$(dirname "$0")/../../tools/faults" --points 6 "$1"
