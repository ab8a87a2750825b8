package nodetool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/yamlgen"
)

// jmxPort is where JMX listens while nodetool works, on the node's private address.
const jmxPort = "7199"

// Nodetool runs the node's own nodetool on it. JMX is off on the nodes; it is
// switched on for as long as this takes, on the node's loopback address, and with a
// password of its own.
func Run(ctx context.Context, w cluster.World, ref string, args []string, s cluster.Streams) error {
	c, n, err := w.PickOne(ref)
	if err != nil {
		return err
	}
	if c.Place.Inside != nil {
		return c.NoMachines(n, "nodetool "+strings.Join(args, " "))
	}
	if err := c.Place.NoServers(c.Inv.Plan.Name, ""); err != nil {
		return err
	}
	// Two at once would switch JMX off under each other's feet.
	unlock, err := w.Lock(ctx, c.Inv.Plan.Name+"."+n.Name+".jmx")
	if err != nil {
		return err
	}
	defer unlock()
	p, err := c.Host(n).State(ctx)
	if err != nil {
		return err
	}
	if !p.Running {
		return &fail.Error{Code: fail.ExitFailure, Op: n.Name + " is " + p.String(), Hint: "crossring start " + c.Inv.Plan.Name + ":" + n.Name}
	}
	if c.Remote() {
		return remoteNodetool(ctx, w, c, n, p.PID, args, s)
	}
	sw, err := cluster.Prepare(ctx, w, c.Rel)
	if err != nil {
		return err
	}
	if n.Ports.JMX != 0 { // it is on
		at := jmxAt{host: "127.0.0.1", port: strconv.Itoa(n.Ports.JMX)}
		if at.user, at.password, err = jmxLogin(n); err != nil {
			return fmt.Errorf("nodetool on %s: %w", n.Name, err)
		}
		return runNodetool(ctx, w, c, n, sw, at, args, s)
	}
	jcmd, err := findJcmd(sw.Java)
	if err != nil {
		return err
	}
	at := jmxAt{host: n.PrivateAddress, port: jmxPort, user: release.AgentUser}
	if at.password, err = state.NewPassword(); err != nil {
		return err
	}
	dir, err := passwordFiles(n.Layout.Tmp, at.password)
	if err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	defer os.RemoveAll(dir)
	options, err := jmxOptions(at, dir)
	if err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	if err := agent(ctx, w, jcmd, p.PID, "start", options...); err != nil {
		return err
	}
	defer func() {
		// Also when ctx has ended: JMX must not stay on.
		if err := agent(context.WithoutCancel(ctx), w, jcmd, p.PID, "stop"); err != nil {
			w.Say("warning: JMX of %s is still on, at %s:%s: %v", n.Name, n.PrivateAddress, jmxPort, err)
		}
		// It would outlive a server that is killed while no keeper watches.
		local.RemoveAttachFile(p.PID)
	}()
	return runNodetool(ctx, w, c, n, sw, at, args, s)
}

// jmxAt is where JMX of a node listens, and what it asks for; "" is nothing.
type jmxAt struct{ host, port, user, password string }

// jmxLogin is what JMX of a node asks for that is on for good, by its configuration; ""
// where it asks for nothing: an older crossring started it, or somebody else did.
func jmxLogin(n topology.Node) (user, password string, err error) {
	data, err := os.ReadFile(filepath.Join(n.Layout.Conf, yamlgen.JMXPassword))
	if errors.Is(err, os.ErrNotExist) {
		return "", "", nil
	}
	user, password, _ = strings.Cut(strings.TrimSpace(string(data)), " ")
	return user, password, err
}

// Files of JMX's password, in a directory of their own.
const (
	jmxPasswordFile = "password"
	jmxAccessFile   = "access"
	nodetoolFile    = "nodetool.args"
)

// passwordFiles makes a directory in dir that nobody else may look into, with what the
// JVM needs to ask for a password. The JVM writes its hash over it.
func passwordFiles(dir, password string) (string, error) {
	made, err := os.MkdirTemp(dir, "jmx-")
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{
		jmxPasswordFile: release.AgentUser + " " + password + "\n",
		jmxAccessFile:   release.AgentUser + " readwrite\n",
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(made, name), []byte(text), 0o600))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(made))
	}
	return made, nil
}

// jmxOptions are those of the JVM's ManagementAgent.start, with the files of a directory.
func jmxOptions(at jmxAt, dir string) ([]string, error) {
	quote := "\""
	if strings.Contains(dir, quote) {
		quote = "'"
	}
	if strings.Contains(dir, quote) {
		return nil, fmt.Errorf("jcmd can't be told of %s: its name has both kinds of quotes", dir)
	}
	file := func(name string) string { return quote + path.Join(dir, name) + quote }
	return []string{
		"jmxremote.host=" + at.host, "jmxremote.port=" + at.port, "jmxremote.rmi.port=" + at.port, "jmxremote.ssl=false",
		"jmxremote.authenticate=true", "jmxremote.password.file=" + file(jmxPasswordFile), "jmxremote.access.file=" + file(jmxAccessFile),
	}, nil
}

// nodetoolWords are nodetool's main class and its first arguments, as a file that java
// reads them from: everybody sees the arguments of a process.
func nodetoolWords(main string, at jmxAt) []byte {
	words := []string{main, "-h", at.host, "-p", at.port}
	if at.password != "" {
		words = append(words, "-u", at.user, "-pw", at.password)
	}
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, word := range words {
		b.WriteString(`"` + escape.Replace(word) + "\"\n")
	}
	return []byte(b.String())
}

func runNodetool(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node, sw places.Software, at jmxAt, args []string, s cluster.Streams) error {
	main, err := nodetoolMain(c, n)
	if err != nil {
		return err
	}
	words, err := os.CreateTemp(n.Layout.Tmp, nodetoolFile) // its mode is 0600
	if err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	defer os.Remove(words.Name())
	_, err = words.Write(nodetoolWords(main, at))
	if err = errors.Join(err, words.Close()); err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	// nodetool of 1.2 makes the snitch of the configuration beside it, and that asks
	// where it is, as it does in the server.
	proxy := []string{"-Dhttp.proxyHost=" + n.PrivateAddress, "-Dhttp.proxyPort=" + strconv.Itoa(n.Ports.Metadata)}
	argv := nodetoolArgs(c.Rel, n, append([]string{n.Layout.Conf}, sw.Jars.ClassPath...), words.Name(), proxy...)
	cmd := exec.CommandContext(ctx, sw.Java, append(argv, args...)...)
	cmd.Dir = n.Layout.Root
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	var exit *exec.ExitError
	err = cmd.Run()
	if errors.As(err, &exit) {
		// nodetool has said what is wrong.
		return &fail.Error{Code: fail.ExitFailure, Op: "nodetool " + strings.Join(args, " ") + " on " + n.Name, Err: exit}
	}
	if err != nil {
		return fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	return nil
}

// nodetoolArgs are the arguments of java that make it the nodetool of a version, by a
// file of nodetoolWords.
func nodetoolArgs(rel release.Release, n topology.Node, classPath []string, words string, more ...string) []string {
	argv := slices.Concat(rel.NodetoolArgs, rel.ModuleArgs(), more)
	return append(argv, "-Xmx128m", "-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Duser.home="+n.Layout.Home, "-Djava.io.tmpdir="+n.Layout.Tmp,
		"-Dcassandra.storagedir="+n.Layout.Home, "-Dlogback.configurationFile=logback-tools.xml",
		"-Dlog4j.configuration=log4j-tools.properties",
		"-cp", strings.Join(classPath, ":"), "@"+words)
}

// agent switches the JVM's own JMX agent on or off.
func agent(ctx context.Context, w cluster.World, jcmd string, pid int, verb string, args ...string) error {
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
		return "", fail.Prerequisite("nodetool needs jcmd, which a JDK has and a JRE has not", err, "sudo apt-get install openjdk-17-jdk-headless")
	}
	return jcmd, nil
}
