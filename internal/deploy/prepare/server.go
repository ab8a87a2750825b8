package prepare

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"crossring/internal/topology"
)

// Server is a node's server on a machine that was made ready: a deploy.Host.
type Server struct {
	Machine Machine
	Node    topology.Node
	ID      string // of the cluster
	Main    string // main class
	// Systemd runs it as a unit; otherwise it is a process by itself, which is found
	// again by its pid and start time.
	Systemd bool
}

// unitPath is where the unit file goes. The name is the one that people know.
const unitPath = "/etc/systemd/system/cassandra.service"

const unit = "cassandra.service"

func (s Server) script(ctx context.Context, what, script string, args ...string) (string, error) {
	return s.Machine.Script(ctx, what+" "+s.Node.Name, script, args...)
}

// pidFile holds pid and start time of a server without systemd; its exit status
// goes to exitFile.
func (s Server) pidFile() string  { return path.Join(s.Node.Layout.Home, "crossring.pid") }
func (s Server) exitFile() string { return path.Join(s.Node.Layout.Home, "crossring.exit") }

// Put writes a file.
func (s Server) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	return s.Machine.Put(ctx, path, data, mode)
}

// Start starts the server unless it runs. The unit is not enabled: after a boot
// it starts when it is told to.
func (s Server) Start(ctx context.Context) error {
	l := s.Node.Layout
	if s.Systemd {
		out, err := s.script(ctx, "start", unitScript, path.Join(l.Conf, unit), unitPath, s.ID)
		if err == nil && strings.TrimSpace(out) == "foreign" {
			err = &ForeignError{Node: s.Node.Name, Path: unitPath}
		}
		return err
	}
	java := "java"
	if s.Node.Host != nil && s.Node.Host.Java != "" {
		java = s.Node.Host.Java
	}
	_, err := s.script(ctx, "start", aliveScript+startScript, s.pidFile(), s.exitFile(), user(s.Node), l.Root, l.Home, l.Tmp,
		path.Join(l.Log, "stdout.log"), java, "@"+path.Join(l.Conf, "jvm.options"), s.Main)
	return err
}

// Stop ends the server: SIGTERM, and SIGKILL after grace.
func (s Server) Stop(ctx context.Context, grace time.Duration) error {
	seconds := strconv.Itoa(max(1, int(grace.Seconds())))
	if s.Systemd {
		_, err := s.script(ctx, "stop", stopUnitScript, seconds)
		return err
	}
	_, err := s.script(ctx, "stop", aliveScript+stopScript, s.pidFile(), s.exitFile(), seconds)
	return err
}

// State is that of the server process.
func (s Server) State(ctx context.Context) (topology.Process, error) {
	p := topology.Process{Node: s.Node.Name}
	var out string
	var err error
	if s.Systemd {
		out, err = s.script(ctx, "look at", stateUnitScript)
	} else {
		out, err = s.script(ctx, "look at", aliveScript+stateScript, s.pidFile(), s.exitFile())
	}
	if err != nil {
		return p, err
	}
	f := strings.Fields(out)
	switch {
	case len(f) == 3 && f[0] == "running":
		p.Running = true
		if p.PID, err = strconv.Atoi(f[1]); err != nil {
			return p, fmt.Errorf("look at %s: unexpected answer %q", s.Node.Name, out)
		}
		p.Since = unixTime(f[2])
	case len(f) == 3 && f[0] == "ended":
		p.Ended, p.Since = ended(f[1]), unixTime(f[2])
	case len(f) == 0 || f[0] != "none":
		return p, fmt.Errorf("look at %s: unexpected answer %q", s.Node.Name, out)
	}
	return p, nil
}

// ended puts a shell's exit status in words: above 128 it was a signal.
func ended(status string) string {
	n, err := strconv.Atoi(status)
	switch {
	case err != nil:
		return ""
	case n == 137:
		return "signal: killed"
	case n > 128:
		return "signal " + strconv.Itoa(n-128)
	}
	return "exit status " + status
}

func unixTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// Tail gives the last lines of the server's log, or of what it printed before it
// had one.
func (s Server) Tail(ctx context.Context, lines int) ([]string, error) {
	out, err := s.script(ctx, "read log of", tailScript, strconv.Itoa(lines), path.Join(s.Node.Layout.Log, "system.log"),
		path.Join(s.Node.Layout.Log, "stdout.log"), unit)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(strings.TrimRight(out, "\n"), "\n"), nil
}

const (
	// aliveScript has alive: the pid in file $1, if that process lives and is the
	// one that was started.
	aliveScript = `started() {
  [ -r "/proc/$1/stat" ] || return 1
  st=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  st=${st##*) }
  set -- $st
  [ "$1" != Z ] || return 1
  echo "${20}"
}
alive() {
  [ -f "$1" ] || return 1
  read -r pid start <"$1" || return 1
  [ "$(started "$pid")" = "$start" ] || return 1
  echo "$pid"
}
`
	startScript = `if alive "$1" >/dev/null; then exit 0; fi
rm -f "$1" "$2"
# Started by its own shell, which outlives this one and sees how it ends.
body='pidfile=$1 exitfile=$2 root=$3 home=$4 tmp=$5 out=$6; shift 6
cd "$root"
ulimit -n "$(ulimit -Hn)" 2>/dev/null
umask 027
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" TMPDIR="$tmp" LANG=C.UTF-8 "$@" >>"$out" 2>&1 </dev/null &
pid=$!
st=$(cat /proc/$pid/stat); st=${st##*) }
start() { echo "${20}"; }
echo "$pid $(start $st)" >"$pidfile.new"
mv "$pidfile.new" "$pidfile"
wait $pid
echo $? >"$exitfile"'
pidfile=$1 exitfile=$2 user=$3; shift 3
set -- "$pidfile" "$exitfile" "$@"
if [ -n "$user" ]; then setsid runuser -u "$user" -- sh -c "$body" sh "$@" >/dev/null 2>&1 &
else setsid sh -c "$body" sh "$@" >/dev/null 2>&1 & fi
i=0
while [ ! -f "$pidfile" ]; do
  i=$((i+1)); [ $i -le 100 ] || { echo "it did not come up" >&2; exit 1; }
  sleep 0.1
done`
	stopScript = `pid=$(alive "$1") || exit 0
kill -s TERM "$pid" 2>/dev/null || true
i=0
while alive "$1" >/dev/null; do
  i=$((i+1))
  if [ $i -gt $(($3*5)) ]; then kill -s KILL "$pid" 2>/dev/null || true; fi
  sleep 0.2
done
# Its shell is about to write how it ended, and must not do so while the
# directory is removed. Unless the shell is dead, too.
i=0
while [ ! -f "$2" ] && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1; done`
	stateScript = `if pid=$(alive "$1"); then echo "running $pid $(stat -c %Y "$1")"
elif [ -f "$2" ]; then echo "ended $(cat "$2") $(stat -c %Y "$2")"
elif [ -f "$1" ]; then echo "ended unseen 0"
else echo none; fi`

	unitScript = `if [ -f "$2" ] && ! grep -q "^# crossring $3\$" "$2"; then echo foreign; exit 0; fi
{ echo "# crossring $3"; cat "$1"; } >"$2.new"
if cmp -s "$2" "$2.new"; then rm "$2.new"; else mv "$2.new" "$2"; systemctl daemon-reload; fi
systemctl reset-failed cassandra.service 2>/dev/null || true
systemctl start cassandra.service`
	stopUnitScript = `systemctl cat cassandra.service >/dev/null 2>&1 || exit 0
timeout "$1" systemctl stop cassandra.service && exit 0
systemctl kill -s KILL cassandra.service || true
systemctl stop cassandra.service`
	stateUnitScript = `v() { systemctl show cassandra.service -p "$1" --value; }
t() { s=$(v "$1"); [ -n "$s" ] && date -d "$s" +%s || echo 0; }
pid=$(v MainPID)
if [ "${pid:-0}" != 0 ]; then echo "running $pid $(t ExecMainStartTimestamp)"
elif [ "$(v ExecMainExitTimestampMonotonic)" != 0 ] && [ -n "$(v ExecMainExitTimestamp)" ]; then
  s=$(v ExecMainStatus); case $(v ExecMainCode) in 2|3) s=$((128+s));; esac
  echo "ended $s $(t ExecMainExitTimestamp)"
else echo none; fi`
	tailScript = `if [ -s "$2" ]; then tail -n "$1" "$2"
elif [ -s "$3" ]; then tail -n "$1" "$3"
elif command -v journalctl >/dev/null; then journalctl -q --no-pager -o cat -u "$4" -n "$1" 2>/dev/null || true; fi`
)
