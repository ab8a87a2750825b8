#!/bin/sh
# Looks for known vulnerabilities in what crossring calls. Where the database can't be
# reached it says so, and looks for nothing.
#
#   sh scripts/vuln.sh
#
# GOVULNDB names another database, such as file:///path/to/a/copy of https://vuln.go.dev.
# Exit status: 0 nothing found, or no database; 1 anything else.
set -u
cd "$(dirname "$0")/.." || exit 1
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

database=${GOVULNDB:-https://vuln.go.dev}
echo "go tool govulncheck ./..."
go tool govulncheck ./... >"$out" 2>&1
code=$?
# It fetches before it looks, and has no exit status of its own for that.
if [ "$code" -ne 0 ] && why=$(grep "fetching vulnerabilities: " "$out"); then
    echo "not checked for known vulnerabilities: $database can't be reached (${why##*fetching vulnerabilities: }); GOVULNDB=file:///DIR names a copy"
    exit 0
fi
cat "$out"
[ "$code" -eq 0 ] || exit 1
