package ccm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/release/releasetest"
)

// The installation is one that ccm takes, and its scripts hand on what they are given:
// java is a script here that prints its arguments.
func TestInstall(t *testing.T) {
	top := t.TempDir()
	java := filepath.Join(top, "java")
	write(t, java, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
	if err := os.Chmod(java, 0o755); err != nil {
		t.Fatal(err)
	}
	jar := filepath.Join(top, "some.jar")
	write(t, jar, "")
	dir := filepath.Join(top, "install")
	i := Install{
		Version: releasetest.Newest(), Java: java, Main: "the.Main", Nodetool: "the.Tool", ClassPath: []string{jar}, Jamm: jar, Secrets: map[string][]byte{"jmx.password": []byte("me sesame\n"), "nodetool.main": []byte("the.Tool\n")},
		JVM: []string{"-Da=b"}, Tools: []string{"-Dc=d"}, YAML: []byte("cluster_name: x\n"), Log: []byte("<configuration/>\n"), LogFile: "logback.xml",
	}
	if err := i.Write(dir); err != nil {
		t.Fatal(err)
	}
	script := func(env []string, name string, args ...string) []string {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "bin", name), args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	has := func(got []string, want ...string) {
		t.Helper()
		text := "\n" + strings.Join(got, "\n") + "\n"
		for _, w := range want {
			if !strings.Contains(text, "\n"+w+"\n") {
				t.Errorf("no %s in %q", w, got)
			}
		}
	}
	has(script(nil, "cassandra", "-v"), releasetest.Newest())
	log := filepath.Join(top, "log")
	got := script([]string{"JVM_EXTRA_OPTS=-De=f -Dg=h", "MAX_HEAP_SIZE=77M"}, "cassandra", "-f", "-R", "-Dcassandra.logdir="+log, "-Dcassandra.join_ring=True")
	has(got, "@"+dir+"/conf/jvm-server.options", "-Xmx77M", "-Dcassandra.logdir="+log, "-Dcassandra.join_ring=True", "-De=f", "-Dg=h",
		"-Dcom.sun.management.jmxremote.port=7199", "-Dcom.sun.management.jmxremote.authenticate=true", "-Dcom.sun.management.jmxremote.password.file="+dir+"/conf/jmx.password", dir+"/conf:"+dir+"/lib/*")
	if got[len(got)-1] != "the.Main" {
		t.Errorf("%q", got)
	}
	got = script(nil, "nodetool", "-h", "localhost", "ring")
	has(got, "@"+dir+"/conf/nodetool.options", "@"+dir+"/conf/nodetool.main", "localhost", "ring")
	if text := strings.Join(got, " "); strings.Contains(text, "sesame") {
		t.Errorf("the password is among the arguments: %s", text)
	}
	for _, name := range []string{"jmx.password", "nodetool.main"} {
		if info, err := os.Stat(filepath.Join(dir, "conf", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "conf", "nodetool.main")); err != nil {
		t.Fatal(err)
	}
	has(script(nil, "nodetool", "-h", "localhost", "ring"), "the.Tool", "localhost", "ring") // of a node of an older crossring

	// In the background: its pid in a file, and what it prints beside its log.
	pidFile := filepath.Join(top, "pid")
	script(nil, "cassandra", "-p", pidFile, "-Dcassandra.logdir="+log)
	if pid, err := os.ReadFile(pidFile); err != nil || len(pid) == 0 {
		t.Errorf("%q, %v", pid, err)
	}
	// A node that crossring has written arguments for is started with those.
	write(t, filepath.Join(dir, "conf", "jvm.options"), "")
	has(script(nil, "cassandra", "-f", "-Dx=y"), "@"+dir+"/conf/jvm.options", "-Dx=y", "the.Main")

	if shellcheck, err := exec.LookPath("shellcheck"); err == nil {
		if out, err := exec.Command(shellcheck, "files/cassandra", "files/nodetool").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
