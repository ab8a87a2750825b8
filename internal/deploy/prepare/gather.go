package prepare

import (
	"context"

	"crossring/internal/topology"
)

const (
	// As the server's user, who may put links there. The newest files first, as many as fit into 64 MiB, and one at least. tar says 1
	// when a file grew while it was read.
	archiveScript = asScript + `user=$1
as sh -c 'set -eu
cd "$1" 2>/dev/null || exit 0
set --
n=0
IFS="
"
for f in $(ls -t); do
  [ -f "$f" ] && [ ! -L "$f" ] || continue
  case $f in *.hprof) continue;; esac
  n=$((n+$(stat -c %s "$f")))
  [ $# -eq 0 ] || [ $n -le 67108864 ] || break
  set -- "$@" "./$f"
done
[ $# -gt 0 ] || exit 0
tar -cf - "$@" 2>/dev/null | gzip -c' sh "$2"`

	describeScript = `p() { echo; echo "# $*"; "$@" 2>&1 || true; }
p date -u
p uname -a
p uptime
p df -h
p cat /proc/meminfo /proc/swaps /proc/mounts
if command -v timedatectl >/dev/null; then p timedatectl; fi
if command -v chronyc >/dev/null; then p chronyc tracking; fi
pid=
if [ "$1" = yes ] && [ -d /run/systemd/system ]; then
  p systemctl --no-pager --full status cassandra.service
  p journalctl -q --no-pager -u cassandra.service -n 200
  pid=$(systemctl show cassandra.service -p MainPID --value)
elif [ -f "$2" ]; then read -r pid _ <"$2" || true; fi
if [ -n "$pid" ] && [ "$pid" != 0 ] && [ -r "/proc/$pid/limits" ]; then p cat "/proc/$pid/limits"; fi
if command -v ss >/dev/null; then p ss -ltnp; fi
exit 0`
)

// Archive is a gzipped tar of the files, not the directories, in a directory of a
// machine that the server's user may read: the newest ones where they are many. It is
// empty where there are none.
func Archive(ctx context.Context, m Machine, n topology.Node, dir string) (string, error) {
	return m.Script(ctx, "collect "+dir, archiveScript, user(n), dir)
}

// Describe is what a person would ask of a machine that misbehaves: clock, memory,
// disks, limits and the server's unit, as text.
func Describe(ctx context.Context, m Machine, n topology.Node) (string, error) {
	unit := "no"
	if n.Host != nil && n.Host.Systemd {
		unit = "yes"
	}
	return m.Script(ctx, "describe "+n.Name, describeScript, unit, Server{Node: n}.pidFile())
}
