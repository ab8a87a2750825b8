#!/bin/sh
# Runs every fuzz target for a while: sh scripts/fuzz.sh TIME, as in 20s.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
# shellcheck disable=SC2013 # names of Go files and functions have no spaces
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
        echo "$(dirname "$file") $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-20s}" "$(dirname "$file")" || status=1
    done
done
exit "$status"
