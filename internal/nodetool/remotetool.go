package nodetool

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
)

const (
	// remoteAgentOn switches the JVM's own JMX agent on, as the server's user, and prints the
	// directory that it made for it, which nobody else may look into. The first line of
	// standard input is the password; nodetool's words follow.
	remoteAgentOn = remoteJcmd + `tmp=$4 host=$5 port=$6
dir=$(as sh -c 'umask 077
dir=$(mktemp -d "$1/jmx-XXXXXX")
IFS= read -r password
printf "%s %s\n" "$2" "$password" >"$dir/'` + jmxPasswordFile + `'"
echo "$2 readwrite" >"$dir/'` + jmxAccessFile + `'"
cat >"$dir/'` + nodetoolFile + `'"
echo "$dir"' sh "$tmp" '` + release.AgentUser + `')
jcmd ManagementAgent.start "jmxremote.host=$host" "jmxremote.port=$port" "jmxremote.rmi.port=$port" jmxremote.ssl=false jmxremote.authenticate=true \
  "jmxremote.password.file=\"$dir/` + jmxPasswordFile + `\"" "jmxremote.access.file=\"$dir/` + jmxAccessFile + `\"" </dev/null >&2 ||
  { st=$?; as rm -rf "$dir"; exit $st; }
echo "$dir"`
	// remoteAgentOff undoes it. What the attaching leaves in /tmp would outlive a server that
	// is killed.
	remoteAgentOff = remoteJcmd + `st=0
jcmd ManagementAgent.stop </dev/null || st=$?
as rm -f "/tmp/.java_pid$pid"
[ -z "$4" ] || as rm -rf "$4"
exit $st`
	// remoteJcmd has jcmd. A JRE has none, but the classes of it.
	remoteJcmd = `java=$1 user=$2 pid=$3
as() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
jcmd() {
  _j=$(dirname "$java")/jcmd
  if [ -x "$_j" ]; then as "$_j" -J-XX:-UsePerfData "$pid" "$@"
  else as "$java" -XX:-UsePerfData -XX:+UseSerialGC -Xmx64m -m jdk.jcmd/sun.tools.jcmd.JCmd "$pid" "$@"; fi
}
`
)

// remoteNodetool runs a node's own nodetool on its machine, by SSH: JMX is on for as
// long as it takes, on the machine's loopback address alone, and with a password.
func remoteNodetool(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node, pid int, args []string, s cluster.Streams) error {
	m, err := c.Machine(n)
	if err != nil {
		return err
	}
	java := n.Host.Java
	if java == "" {
		return &fail.Error{Code: fail.ExitFailure, Op: "nodetool on " + n.Name + ": its machine was not made ready", Hint: "crossring up " + c.Inv.Plan.Name}
	}
	at := jmxAt{host: n.RMIHost(), port: jmxPort, user: release.AgentUser}
	if at.password, err = state.NewPassword(); err != nil {
		return err
	}
	who := []string{java, prepare.User(n), strconv.Itoa(pid)}
	var dir string
	defer func() {
		// Also when ctx has ended: JMX must not stay on.
		const most = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
		defer cancel()
		if _, err := m.Script(ctx, "stop JMX of "+n.Name, remoteAgentOff, append(who, dir)...); err != nil {
			w.Say("warning: JMX of %s is still on, at %s:%s of its machine: %v", n.Name, at.host, at.port, err)
		}
	}()
	words := append([]byte(at.password+"\n"), nodetoolWords(c.Rel.Nodetool, at)...)
	out, err := m.ScriptIn(ctx, "start JMX of "+n.Name, remoteAgentOn, words, append(who, n.Layout.Tmp, at.host, at.port)...)
	if err != nil {
		return err
	}
	dir = strings.TrimSpace(out)
	argv := nodetoolArgs(c.Rel, n, []string{n.Layout.Conf, path.Join(n.Layout.Root, "lib", "*")}, path.Join(dir, nodetoolFile))
	command := append([]string{java}, append(argv, args...)...)
	if u := prepare.User(n); u != "" {
		command = append([]string{"runuser", "-u", u, "--"}, command...)
	}
	for i, word := range command {
		command[i] = sshhost.Quote(word)
	}
	_, err = m.Run(ctx, sshhost.Command{
		Name: "nodetool " + strings.Join(args, " "), Line: "cd " + sshhost.Quote(n.Layout.Home) + " && exec " + strings.Join(command, " "),
		Root: true, In: s.In, Out: s.Out, Err: s.Err,
	})
	var exit *sshhost.ExitError
	if errors.As(err, &exit) {
		// nodetool has said what is wrong.
		return &fail.Error{Code: fail.ExitFailure, Op: "nodetool " + strings.Join(args, " ") + " on " + n.Name, Err: fmt.Errorf("exit status %d", exit.Status)}
	}
	return err
}
