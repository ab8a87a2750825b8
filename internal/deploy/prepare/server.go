package prepare

import (
	"context"
	"fmt"
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
// goes to exitFile. Both are root's: what stands in them is killed.
func (s Server) pidFile() string  { return path.Join(stateDir(s.Node), "server.pid") }
func (s Server) exitFile() string { return path.Join(stateDir(s.Node), "server.exit") }

// process runs one of the scripts for a server without systemd.
func (s Server) process(ctx context.Context, what, script string, args ...string) (string, error) {
	return s.script(ctx, what, aliveScript+script, append([]string{user(s.Node), s.pidFile(), s.exitFile(), s.Node.Layout.Home}, args...)...)
}

// Start starts the server unless it runs. The unit is not enabled: after a boot
// it starts when it is told to.
func (s Server) Start(ctx context.Context) error {
	l := s.Node.Layout
	if s.Systemd {
		out, err := s.script(ctx, "start", unitScript, path.Join(l.Conf, unit), unitPath, s.ID, user(s.Node), path.Join(stateDir(s.Node), "cluster"))
		switch out = strings.TrimSpace(out); {
		case err != nil:
			return err
		case out == "foreign":
			return &ForeignError{Node: s.Node.Name, Path: unitPath}
		}
		if name, missing := strings.CutPrefix(out, "missing "); missing {
			return &MissingUnitError{Node: s.Node.Name, Path: path.Join(l.Conf, unit), Cluster: name}
		}
		return theirs(s.Node, out)
	}
	java := "java"
	if s.Node.Host != nil && s.Node.Host.Java != "" {
		java = s.Node.Host.Java
	}
	_, err := s.process(ctx, "start", startScript, l.Root, l.Home, l.Tmp,
		path.Join(l.Log, "stdout.log"), java, "@"+path.Join(l.Conf, "jvm.options"), s.Main)
	return err
}

// MissingUnitError says that the unit file is not where it was put.
type MissingUnitError struct{ Node, Path, Cluster string }

func (e *MissingUnitError) Error() string {
	return fmt.Sprintf("%s: %s is not there", e.Node, e.Path)
}

// NodeName is the node that the text names.
func (e *MissingUnitError) NodeName() string { return e.Node }

// Hint is the command that puts it there.
func (e *MissingUnitError) Hint() string { return "crossring up " + e.Cluster }

// Stop ends the server: SIGTERM, and SIGKILL after grace.
func (s Server) Stop(ctx context.Context, grace time.Duration) error {
	seconds := strconv.Itoa(max(1, int(grace.Seconds())))
	if s.Systemd {
		_, err := s.script(ctx, "stop", stopUnitScript, seconds)
		return err
	}
	_, err := s.process(ctx, "stop", stopScript, seconds)
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
		out, err = s.process(ctx, "look at", stateScript)
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
	out, err := s.script(ctx, "read log of", tailScript, user(s.Node), strconv.Itoa(lines), path.Join(s.Node.Layout.Log, "system.log"),
		path.Join(s.Node.Layout.Log, "stdout.log"), unit)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(strings.TrimRight(out, "\n"), "\n"), nil
}

const (
	// aliveScript has alive: the pid in file $pidfile, if that process lives, is the one that
	// was started and the user's. An older crossring had its files in the user's home: they
	// are read as the user, and nobody else's process is taken for the server.
	aliveScript = asScript + `user=$1 pidfile=$2 exitfile=$3 home=$4; shift 4
started() {
  [ -r "/proc/$1/stat" ] || return 1
  st=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  st=${st##*) }
  set -- $st
  [ "$1" != Z ] || return 1
  echo "${20}"
}
runs() {
  case $1 in ''|*[!0-9]*) return 1 ;; esac
  [ "$(started "$1")" = "$2" ] || return 1
  if [ -n "$user" ]; then grep -q "^Uid:[[:space:]]*$(id -u "$user")[[:space:]]" "/proc/$1/status" 2>/dev/null || return 1; fi
  echo "$1"
}
older() { # what an older crossring left, to be read
  [ ! -f "$pidfile" ] && { [ -z "$user" ] || id -u "$user" >/dev/null 2>&1; } && as head -n 1 "$home/crossring.$1" 2>/dev/null
}
alive() {
  pid=
  if [ -f "$pidfile" ]; then read -r pid start <"$pidfile" || return 1
  else
    was=$(older pid) || return 1
    pid=${was%% *} start=${was#* }
  fi
  runs "$pid" "$start"
}
`
	startScript = `if alive >/dev/null; then exit 0; fi
rm -f "$pidfile" "$exitfile" "$home/crossring.pid" "$home/crossring.exit"
# The server's own shell says its pid and becomes the server. The one around it is root's,
# outlives this one, notes the pid and sees how the server ends.
become='echo "$$" >&3; exec 3>&-
root=$1 home=$2 tmp=$3 out=$4; shift 4
cd "$root"
ulimit -n "$(ulimit -Hn)" 2>/dev/null
umask 027
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" TMPDIR="$tmp" LANG=C.UTF-8 "$@" >>"$out" 2>&1 </dev/null'
body='user=$1 pidfile=$2 exitfile=$3 become=$4; shift 4
put() { (umask 022; echo "$2" >"$1.new"; mv -fT "$1.new" "$1"); }
{
  st=0
  if [ -n "$user" ]; then runuser -u "$user" -- sh -c "$become" sh "$@" || st=$?
  else sh -c "$become" sh "$@" || st=$?; fi
  put "$exitfile" $st
} 3>&1 >/dev/null </dev/null | {
  read -r pid || exit
  [ -r "/proc/$pid/stat" ] && st=$(cat "/proc/$pid/stat") || exit
  st=${st##*) }
  start() { echo "${20}"; }
  put "$pidfile" "$pid $(start $st)"
}'
setsid sh -c "$body" sh "$user" "$pidfile" "$exitfile" "$become" "$@" >/dev/null 2>&1 &
i=0
while [ ! -f "$pidfile" ] && [ ! -f "$exitfile" ]; do
  i=$((i+1)); [ $i -le 100 ] || { echo "it did not come up" >&2; exit 1; }
  sleep 0.1
done`
	stopScript = `pid=$(alive) || exit 0
new=; [ ! -f "$pidfile" ] || new=yes
kill -s TERM "$pid" 2>/dev/null || true
i=0
while alive >/dev/null; do
  i=$((i+1))
  if [ $i -gt $(($1*5)) ]; then kill -s KILL "$pid" 2>/dev/null || true; fi
  sleep 0.2
done
# Its shell is about to write how it ended, and must not do so while the
# directory is removed. Unless the shell is dead, too.
i=0
noted() { if [ -n "$new" ]; then [ -f "$exitfile" ]; else older exit >/dev/null; fi; }
while ! noted && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1; done`
	stateScript = `if pid=$(alive); then echo "running $pid $(stat -c %Y "$pidfile" 2>/dev/null || echo 0)"
elif [ -f "$exitfile" ]; then echo "ended $(cat "$exitfile") $(stat -c %Y "$exitfile")"
elif [ -f "$pidfile" ]; then echo "ended unseen 0"
elif st=$(older exit); then echo "ended ${st:-unseen} 0"
elif older pid >/dev/null; then echo "ended unseen 0"
else echo none; fi`

	// unitScript copies the unit file from the configuration, which is root's alone: what
	// stands in the unit, root does.
	unitScript = takeScript + `if [ -f "$2" ] && ! grep -q "^# crossring $3\$" "$2"; then echo foreign; exit 0; fi
dir=$(dirname "$1")
take "$dir" "$4"
[ -f "$1" ] || { echo "missing $(cut -d ' ' -f 2- "$5")"; exit 0; }
bad=$(theirs "$dir" "$4")
[ -z "$bad" ] || { echo "$bad"; exit 0; }
{ echo "# crossring $3"; cat "$1"; } >"$2.new"
if cmp -s "$2" "$2.new"; then rm "$2.new"; else mv -fT "$2.new" "$2"; systemctl daemon-reload; fi
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
	tailScript = asScript + `user=$1; shift
st=0
as sh -c 'if [ -s "$2" ]; then tail -n "$1" "$2"; elif [ -s "$3" ]; then tail -n "$1" "$3"; else exit 9; fi' sh "$@" || st=$?
if [ $st = 9 ] && command -v journalctl >/dev/null; then journalctl -q --no-pager -o cat -u "$4" -n "$1" 2>/dev/null || true; fi`
)
