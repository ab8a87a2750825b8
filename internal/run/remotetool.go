package run

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/topology"
)

// remoteAgentScript switches the JVM's own JMX agent on or off, as the server's user.
// A JRE has no jcmd, but the classes of it. What the attaching leaves in /tmp would
// outlive a server that is killed.
const remoteAgentScript = `java=$1 user=$2 pid=$3; shift 3
as() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
jcmd=$(dirname "$java")/jcmd
if [ -x "$jcmd" ]; then as "$jcmd" -J-XX:-UsePerfData "$pid" "$@"
else as "$java" -XX:-UsePerfData -XX:+UseSerialGC -Xmx64m -m jdk.jcmd/sun.tools.jcmd.JCmd "$pid" "$@"; fi
case $1 in *.stop) rm -f "/tmp/.java_pid$pid";; esac`

// remoteNodetool runs a node's own nodetool on its machine, by SSH: JMX is on for as
// long as it takes, and on the machine's loopback address alone.
func (w World) remoteNodetool(ctx context.Context, c cluster, n topology.Node, pid int, args []string, s Streams) error {
	m, err := c.machine(n)
	if err != nil {
		return err
	}
	java := n.Host.Java
	if java == "" {
		return &Fail{Code: ExitFailure, Op: "nodetool on " + n.Name + ": its machine was not made ready", Hint: "crossring up " + c.inv.Plan.Name}
	}
	address := n.RMIHost()
	agent := func(ctx context.Context, verb string, args ...string) error {
		all := append([]string{java, prepare.User(n), strconv.Itoa(pid), "ManagementAgent." + verb}, args...)
		_, err := m.Script(ctx, verb+" JMX of "+n.Name, remoteAgentScript, all...)
		return err
	}
	defer func() {
		// Also when ctx has ended: JMX must not stay on.
		const most = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
		defer cancel()
		if err := agent(ctx, "stop"); err != nil {
			w.Say("warning: JMX of %s is still on, at %s:%s of its machine: %v", n.Name, address, jmxPort, err)
		}
	}()
	err = agent(ctx, "start", "jmxremote.host="+address, "jmxremote.port="+jmxPort, "jmxremote.rmi.port="+jmxPort,
		"jmxremote.authenticate=false", "jmxremote.ssl=false")
	if err != nil {
		return err
	}
	argv := nodetoolArgs(c.rel, n, []string{n.Layout.Conf, path.Join(n.Layout.Root, "lib", "*")}, jmxAt{address, jmxPort})
	words := append([]string{java}, append(argv, args...)...)
	if u := prepare.User(n); u != "" {
		words = append([]string{"runuser", "-u", u, "--"}, words...)
	}
	for i, word := range words {
		words[i] = sshhost.Quote(word)
	}
	_, err = m.Run(ctx, sshhost.Command{
		Name: "nodetool " + strings.Join(args, " "), Line: "cd " + sshhost.Quote(n.Layout.Home) + " && exec " + strings.Join(words, " "),
		Root: true, In: s.In, Out: s.Out, Err: s.Err,
	})
	var exit *sshhost.ExitError
	if errors.As(err, &exit) {
		// nodetool has said what is wrong.
		return &Fail{Code: ExitFailure, Op: "nodetool " + strings.Join(args, " ") + " on " + n.Name, Err: fmt.Errorf("exit status %d", exit.Status)}
	}
	return err
}
