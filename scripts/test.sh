#!/bin/sh
# Runs the tests, or the benchmarks, on a computer that scripts/setup.sh made ready, and
# ends with what was skipped and why. Something that tests leave in the source tree is a
# failure.
#
#   sh scripts/test.sh [test|bench]
#
# Exit status: 0 ok, 1 a failure, 2 usage.
set -u
cd "$(dirname "$0")/.." || exit 1
what=${1:-test}
case $what in
test | bench) ;;
*)
    echo "usage: sh scripts/test.sh [test|bench]" >&2
    exit 2
    ;;
esac

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tree() { git status --porcelain --ignored 2>/dev/null; }
before=$(tree)
make -s build && go build -o "$work/tally" ./scripts/tally || exit 1
# Packages without real servers; ./test has those. Those that take longest begin, or one
# of them is alone at the end.
unit=$(go list ./internal/run ./internal/cli ./internal/pki/... ./internal/trust ./provision/local ./... | grep -v '^crossring/test')
# What is compiled does not depend on where the tree is: another clone finds it in the cache.
GOFLAGS="$(go env GOFLAGS) -trimpath"
export GOFLAGS
# The tests' packages share one program.
export CROSSRING_PROGRAM="$PWD/bin/crossring"

# run has go test run, unless something failed before.
failed=
run() {
    [ -z "$failed" ] || return 0
    echo "go test $*"
    begun=$(date +%s)
    "$work/tally" "$work/skips" go test "$@" || failed=1
    echo "that took $(($(date +%s) - begun)) s"
}

# shellcheck disable=SC2086 # a list of words
if [ "$what" = test ]; then
    export CGO_ENABLED=1 # for -race, and for modules of smart cards
    go run ./test/ready || failed=1
    # make lint has had everything vetted, and more thoroughly.
    run -vet=off -race -short -timeout 30m $unit
    run -vet=off -tags pkcs11 -run TestToken ./internal/pki
    # Real servers, beside what talks to an emulator. In ./test the tests run side by side,
    # too: they know what they may not share, and how many servers there may be. The lab has
    # servers of its own, and goes alone, whatever came of the others.
    units=$failed
    # shellcheck disable=SC2046
    run -vet=off -count 1 -p 2 -parallel 64 -timeout 40m $(go list ./test/... | grep -v /awslab)
    servers=$failed
    failed=$units
    run -vet=off -count 1 -timeout 20m ./test/awslab
    failed=$failed$servers
else
    run -v -run '^$' -bench . -benchmem $unit
    export CROSSRING_BENCH=1
    run -p 1 -count 1 -v -run '^TestBench' -timeout 85m ./test
fi

"$work/tally" "$work/skips" || failed=1
after=$(tree)
if [ "$after" != "$before" ]; then
    echo "changed in the source tree while the tests ran:" >&2
    printf '%s\n' "$before" >"$work/before"
    printf '%s\n' "$after" | grep -vxF -f "$work/before" | grep . >&2 || echo "something was removed" >&2
    failed=1
fi
[ -z "$failed" ]
