package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision/local"
)

// Streams are those of a program that runs in the foreground.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// jmxPort is where JMX listens while nodetool works, on the node's private address.
const jmxPort = "7199"

// Nodetool runs the node's own nodetool on it. JMX is off on the nodes; it is
// switched on for as long as this takes, on the node's loopback address.
func (w World) Nodetool(ctx context.Context, ref string, args []string, s Streams) error {
	c, n, err := w.pickOne(ref)
	if err != nil {
		return err
	}
	if c.place.Inside != nil {
		return c.noMachines(n, "nodetool "+strings.Join(args, " "))
	}
	// Two at once would switch JMX off under each other's feet.
	unlock, err := w.lock(ctx, c.inv.Plan.Name+"."+n.Name+".jmx")
	if err != nil {
		return err
	}
	defer unlock()
	p, err := c.host(n).State(ctx)
	if err != nil {
		return err
	}
	if !p.Running {
		return &Fail{Code: ExitFailure, Op: n.Name + " is " + p.String(), Hint: "crossring start " + c.inv.Plan.Name + ":" + n.Name}
	}
	if c.remote() {
		return w.remoteNodetool(ctx, c, n, p.PID, args, s)
	}
	sw, err := w.prepare(ctx, c.rel)
	if err != nil {
		return err
	}
	if n.Ports.JMX != 0 {
		return w.runNodetool(ctx, c, n, sw, jmxAt{"127.0.0.1", strconv.Itoa(n.Ports.JMX)}, args, s) // it is on
	}
	jcmd, err := findJcmd(sw.Java)
	if err != nil {
		return err
	}
	err = w.agent(ctx, jcmd, p.PID, "start", "jmxremote.host="+n.PrivateAddress, "jmxremote.port="+jmxPort,
		"jmxremote.rmi.port="+jmxPort, "jmxremote.authenticate=false", "jmxremote.ssl=false")
	if err != nil {
		return err
	}
	defer func() {
		// Also when ctx has ended: JMX must not stay on.
		if err := w.agent(context.WithoutCancel(ctx), jcmd, p.PID, "stop"); err != nil {
			w.Say("warning: JMX of %s is still on, at %s:%s: %v", n.Name, n.PrivateAddress, jmxPort, err)
		}
		// It would outlive a server that is killed while no keeper watches.
		local.RemoveAttachFile(p.PID)
	}()
	return w.runNodetool(ctx, c, n, sw, jmxAt{n.PrivateAddress, jmxPort}, args, s)
}

// jmxAt is where JMX of a node listens.
type jmxAt struct{ host, port string }

func (w World) runNodetool(ctx context.Context, c cluster, n topology.Node, sw places.Software, at jmxAt, args []string, s Streams) error {
	rel := c.rel
	var err error
	if rel.Nodetool, err = nodetoolMain(c, n); err != nil {
		return err
	}
	// nodetool of 1.2 makes the snitch of the configuration beside it, and that asks
	// where it is, as it does in the server.
	proxy := []string{"-Dhttp.proxyHost=" + n.PrivateAddress, "-Dhttp.proxyPort=" + strconv.Itoa(n.Ports.Metadata)}
	argv := nodetoolArgs(rel, n, append([]string{n.Layout.Conf}, sw.Jars.ClassPath...), at, proxy...)
	cmd := exec.CommandContext(ctx, sw.Java, append(argv, args...)...)
	cmd.Dir = n.Layout.Root
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	var exit *exec.ExitError
	err = cmd.Run()
	if errors.As(err, &exit) {
		// nodetool has said what is wrong.
		return &Fail{Code: ExitFailure, Op: "nodetool " + strings.Join(args, " ") + " on " + n.Name, Err: exit}
	}
	if err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	return nil
}

// nodetoolArgs are the arguments of java that make it the nodetool of a version.
func nodetoolArgs(rel release.Release, n topology.Node, classPath []string, at jmxAt, more ...string) []string {
	argv := slices.Concat(rel.NodetoolArgs, rel.ModuleArgs(), more)
	return append(argv, "-Xmx128m", "-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Duser.home="+n.Layout.Home, "-Djava.io.tmpdir="+n.Layout.Tmp,
		"-Dcassandra.storagedir="+n.Layout.Home, "-Dlogback.configurationFile=logback-tools.xml",
		"-Dlog4j.configuration=log4j-tools.properties",
		"-cp", strings.Join(classPath, ":"), rel.Nodetool, "-h", at.host, "-p", at.port)
}

// agent switches the JVM's own JMX agent on or off.
func (w World) agent(ctx context.Context, jcmd string, pid int, verb string, args ...string) error {
	all := append([]string{"-J-XX:-UsePerfData", strconv.Itoa(pid), "ManagementAgent." + verb}, args...)
	out, err := exec.CommandContext(ctx, jcmd, all...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s JMX of process %d: %w: %s", verb, pid, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// findJcmd finds the tool beside the java command.
func findJcmd(java string) (string, error) {
	real, err := filepath.EvalSymlinks(java)
	if err != nil {
		return "", fmt.Errorf("find jcmd: %w", err)
	}
	jcmd := filepath.Join(filepath.Dir(real), "jcmd")
	if _, err := os.Stat(jcmd); err != nil {
		return "", Prerequisite("nodetool needs jcmd, which a JDK has and a JRE has not", err, "sudo apt-get install openjdk-17-jdk-headless")
	}
	return jcmd, nil
}
