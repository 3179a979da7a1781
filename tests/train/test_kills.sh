#!/usr/bin/env bash
# A sample of tools/kills: a dozen kills at system calls drawn by one seed. docs/HOSTILE.md describes the
# whole sweep.
set -u
exec "$(dirname "$0")/../../tools/kills" 12 5 "$1"
