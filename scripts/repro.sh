#!/bin/sh
# Runs the experiment on a cluster of its own: up, repro, down. The cluster goes
# whether or not the experiment succeeds. The exit status is that of the first
# step that failed. Arguments are passed on to repro.
set -u
cd "$(dirname "$0")/.." || exit 1
crossring=${CROSSRING:-bin/crossring}
busy=8 # exit status: the name is taken

# The step in front gets the interrupt too and ends by itself; what is left to
# do is to take the cluster down.
trap : INT TERM HUP

"$crossring" up -f examples/gk-cluster.yaml
status=$?
if [ "$status" = "$busy" ]; then
    exit "$status" # somebody else's cluster: not ours to take down
fi
if [ "$status" = 0 ]; then
    "$crossring" repro gk "$@"
    status=$?
fi
"$crossring" down gk
down=$?
[ "$status" != 0 ] || status=$down
exit "$status"
