package yamlgen

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"
)

// The launcher reads from the file what jvmArgs says, spaces and quotes included.
func TestArgFileIsJVMArgs(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := local(rel.Version, `/state/with space/"quoted"/back\slash/#hash`)
		inv.Nodes[0].Ports.JMX = 7199
		env := gkEnv()
		env.ProcID, env.CDSArchive = "abc 123", "/cache/classes.jsa"
		args, err := jvmArgs(inv, inv.Nodes[0], env)
		if err != nil {
			t.Fatal(err)
		}
		got := argFile(render(t, inv, inv.Nodes[0], env)[JVMOptions])
		if !slices.Equal(got, args) {
			t.Errorf("the launcher reads\n%q\nwant\n%q", got, args)
		}
		if n := len(args); args[n-2] != "-cp" || args[n-1] != classPath(rel, inv.Nodes[0]) {
			t.Errorf("the arguments end in %q", args[n-2:])
		}
	})
}

// classPath ends in the configuration where cassandra-rackdc.properties is
// looked for nowhere else.
func classPath(rel release.Release, node topology.Node) string {
	jars := "/opt/cassandra/lib/cassandra-all.jar:/opt/cassandra/lib/netty.jar"
	if rel.Series == "1.2" {
		return jars + ":" + node.Layout.Conf
	}
	return jars
}

func TestJVMArgs(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := local(rel.Version, "/state/a b")
		env := gkEnv()
		env.ProcID, env.CDSArchive, env.JVM = "abc123", "/cache/classes.jsa", []string{"-XX:MaxMetaspaceSize=1g"}
		node := inv.Nodes[1]
		args, err := jvmArgs(inv, node, env)
		if err != nil {
			t.Fatal(err)
		}
		root := "/state/a b/us-west-2-1"
		want := []string{
			"-Dcrossring.process=abc123", "-Xms512M", "-Xmx512M", "-XX:-UsePerfData",
			"-XX:ErrorFile=" + root + "/log/hs_err_pid%p.log", "-XX:HeapDumpPath=" + root + "/log",
			"-Duser.home=" + root + "/home", "-Djava.io.tmpdir=" + root + "/tmp", "-Djna.tmpdir=" + root + "/tmp",
			"-Dorg.xerial.snappy.tempdir=" + root + "/tmp", "-Dio.netty.native.workdir=" + root + "/tmp",
			"-Dcassandra.config=file:///state/a%20b/us-west-2-1/conf/cassandra.yaml",
			"-Dcassandra-rackdc.properties=file:///state/a%20b/us-west-2-1/conf/cassandra-rackdc.properties",
			"-Dcassandra.storagedir=" + root, "-Dcassandra.logdir=" + root + "/log", "-Dcassandra-foreground=yes",
			"-Dcassandra.skip_wait_for_gossip_to_settle=0",
			"-Dhttp.proxyHost=127.9.3.1", "-Dhttp.proxyPort=8999",
			"-javaagent:/opt/cassandra/lib/jolokia-agent.jar=config=/state/a b/us-west-2-1/conf/jolokia.properties",
			"-XX:SharedArchiveFile=/cache/classes.jsa", "-XX:MaxMetaspaceSize=1g", "-XX:TieredStopAtLevel=1",
			"--add-opens=java.base/java.nio=ALL-UNNAMED",
		}
		if rel.Log == "log4j" {
			want = append(want, "-Dlog4j.configuration=file:///state/a%20b/us-west-2-1/conf/log4j-server.properties", "-Xss512k")
		} else {
			want = append(want, "-Dlogback.configurationFile=file:///state/a%20b/us-west-2-1/conf/logback.xml")
		}
		if rel.Jamm {
			want = append(want, "-javaagent:/opt/cassandra/lib/jamm.jar", "--add-exports="+release.ModernExportsTo)
		}
		// A short delay alone would have nodes that start slowly forgotten.
		delay, quarantine := "-Dcassandra.ring_delay_ms=900", "-Dcassandra.gossip_quarantine_delay_ms=60000"
		if rel.QuarantineDelay {
			want = append(want, delay, quarantine)
		} else if count(args, delay) != 0 || count(args, quarantine) != 0 {
			t.Errorf("delays of its own: %q", args)
		}
		// Measured with fewer rows, where it is measured at all.
		rows := "-Dcassandra.memtable_row_overhead_computation_step=1000"
		if rel.RowOverhead {
			want = append(want, rows)
		} else if count(args, rows) != 0 {
			t.Errorf("%s, which it does not know", rows)
		}
		for _, arg := range want {
			if n := count(args, arg); n != 1 {
				t.Errorf("%s stands %d times", arg, n)
			}
		}

		// What is off leaves nothing behind.
		node.Ports.Metadata, node.Ports.Jolokia = 0, 0
		args, err = jvmArgs(inv, node, Env{ClassPath: env.ClassPath, JolokiaAgent: "/j.jar"})
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"proxy", "javaagent", "ring_delay", "skip_wait", "SharedArchive", "crossring", "jmxremote.port", "jmx.local", "Metaspace"} {
			if i := slices.IndexFunc(args, func(a string) bool { return strings.Contains(a, word) }); i >= 0 {
				t.Errorf("%s stands there", args[i])
			}
		}
	})
}

// On machines of their own JMX over RMI and Jolokia listen on the loopback device alone.
func TestManagementIsLoopbackOnly(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := gk(rel.Version)
		inv.Nodes[0].Ports.JMX = 7199
		args, err := jvmArgs(inv, inv.Nodes[0], gkEnv())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"-javaagent:/opt/cassandra/lib/jolokia-agent.jar=config=/etc/cassandra/jolokia.properties",
			"-Dcom.sun.management.jmxremote.rmi.port=7199",
		}
		if rel.JMXByJVM {
			want = append(want, "-Dcom.sun.management.jmxremote.port=7199", "-Dcom.sun.management.jmxremote.host=127.0.0.1", "-Djava.rmi.server.hostname=127.0.0.1")
		} else {
			want = append(want, "-Dcassandra.jmx.local.port=7199")
			if i := slices.IndexFunc(args, func(a string) bool { return strings.Contains(a, "jmxremote.port") }); i >= 0 {
				t.Errorf("%s opens a port on every interface", args[i])
			}
		}
		for _, arg := range want {
			if count(args, arg) != 1 {
				t.Errorf("%s is not there once: %q", arg, args)
			}
		}
		if text := render(t, inv, inv.Nodes[0], gkEnv())[AgentConfig]; !strings.Contains(text, "\nhost=127.0.0.1\n") {
			t.Errorf("the agent's host: %s", text)
		}
	})
}

// Commas part the options of the agent, and a backslash takes a comma's meaning away.
func TestAgentFileOfAnyName(t *testing.T) {
	inv := local(releasetest.Newest(), `/state/a b,c=d\e`)
	args, err := jvmArgs(inv, inv.Nodes[0], gkEnv())
	if err != nil {
		t.Fatal(err)
	}
	if want := `-javaagent:/opt/cassandra/lib/jolokia-agent.jar=config=/state/a b\,c\=d\\e/us-east-1-1/conf/jolokia.properties`; count(args, want) != 1 {
		t.Errorf("no %s in %q", want, args)
	}
}

// JMX that is on for good asks for a password where that is wanted, on every series by the
// JVM's own, which all of them know; and nodetool knows it by a file.
func TestJMXSecret(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := local(rel.Version, "/state/a b")
		node := inv.Nodes[0]
		node.Ports.JMX = 7100
		env := gkEnv()
		env.JMXSecret = true
		args, err := jvmArgs(inv, node, env)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range []string{
			"-Dcom.sun.management.jmxremote.port=7100", "-Dcom.sun.management.jmxremote.host=127.0.0.1", "-Dcom.sun.management.jmxremote.authenticate=true",
			"-Dcom.sun.management.jmxremote.password.file=/state/a b/us-east-1-1/conf/jmx.password",
			"-Dcom.sun.management.jmxremote.access.file=/state/a b/us-east-1-1/conf/jmx.access", "-Dcom.sun.management.jmxremote.password.toHashes=false",
		} {
			if count(args, arg) != 1 {
				t.Errorf("%s is not there once: %q", arg, args)
			}
		}
		files := render(t, inv, node, env) // their modes are looked at there
		if files[JMXPassword] != "crossring sesame\n" || files[JMXAccess] != "crossring readwrite\n" ||
			!slices.Equal(argFile(files[NodetoolMain]), []string{rel.Nodetool, "-u", "crossring", "-pw", "sesame"}) {
			t.Errorf("%q", files)
		}
		env.AgentPassword, env.JolokiaAgent = "", ""
		if _, err := Render(inv, node, env); err == nil {
			t.Error("JMX asks for a password that there is not")
		}
	})
}

// What asks for no password is not started, and there is no file of an agent that is not there.
func TestAgentNeedsPassword(t *testing.T) {
	inv := local(releasetest.Newest(), "/state")
	env := gkEnv()
	env.AgentPassword = ""
	var incomplete *IncompleteError
	if _, err := Render(inv, inv.Nodes[0], env); !errors.As(err, &incomplete) || !strings.Contains(err.Error(), "no password for its agent") {
		t.Errorf("%v", err)
	}
	env.JolokiaAgent = ""
	if files := render(t, inv, inv.Nodes[0], env); files[AgentConfig] != "" || files[AgentPolicy] != "" {
		t.Error("files of an agent that is not there")
	}
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

func TestUnitFile(t *testing.T) {
	inv := gk(releasetest.Newest())
	env := gkEnv()
	env.Java, env.User = "/opt/java 17/bin/java", "cass"
	unit := render(t, inv, inv.Nodes[0], env)[UnitFile]
	for _, line := range []string{
		`ExecStart="/opt/java 17/bin/java" "@/etc/cassandra/jvm.options" "org.apache.cassandra.service.CassandraDaemon"`,
		`User=cass`, `WorkingDirectory=/var/lib/cassandra/home`,
		`RequiresMountsFor="/fs/fs1/cassandra/data" "/fs/fs2/cassandra/commitlog"`, `Restart=no`, `LimitMEMLOCK=infinity`,
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("no line %s in\n%s", line, unit)
		}
	}
}

// jvmArgs gives the arguments that stand in the rendered jvm.options, unquoted
// and in order, class path included and main class not.
func jvmArgs(inv topology.Inventory, node topology.Node, env Env) ([]string, error) {
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return nil, err
	}
	v, err := newValues(inv, node, env, rel, inv.Seeds())
	if err != nil {
		return nil, err
	}
	options, err := load(rel, JVMOptions)
	if err != nil {
		return nil, err
	}
	data, err := execute(options, v)
	if err != nil {
		return nil, err
	}
	var args []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		args = append(args, unquoteArg(line))
	}
	return args, nil
}
