// Package scripts tests the shell scripts beside it, with every program they
// call replaced.
package scripts

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/release/releasetest"
)

// fakes are programs by name; the body is sh. Real ones that scripts need are
// linked in, so that nothing else of the machine is found.
type fakes map[string]string

// run executes a script with the fakes alone in PATH and returns its exit
// status, its output, and the fakes' log: what each appended to $log.
func run(t *testing.T, programs fakes, env []string, script string, args ...string) (status int, out, log string) {
	t.Helper()
	// Read here so that a cached result is not taken for a changed script's.
	if _, err := os.ReadFile(script); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, tool := range []string{"sh", "dirname", "mktemp", "date", "sed", "head", "tail", "grep", "rm", "cat", "sleep", "mkdir", "env", "touch", "chmod", "find", "sort", "awk"} {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(real, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range programs {
		text := "#!/bin/sh\necho \"" + name + " $*\" >> \"$log\"\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	logFile := filepath.Join(dir, "log")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "sh"), append([]string{script}, args...)...)
	cmd.Env = append([]string{"PATH=" + dir, "HOME=" + dir, "POLICY_RC_D=" + filepath.Join(dir, "policy-rc.d"), "bin=" + dir, "log=" + logFile}, env...)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(logFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output), string(text)
}

func java(version string) string {
	return `echo 'openjdk version "` + version + `" 2025-04-15' >&2`
}

// machine is one that has everything, changed as a case wants it.
func machine(change fakes) fakes {
	all := fakes{
		"go": "echo gcc", "make": "", "gcc": "", "mvn": "", "java": java("17.0.15"),
		"id": "echo 1000", "sudo": "exit 1", "apt-get": "", "apt-cache": "",
	}
	for name, body := range change {
		if all[name] = body; body == "-" {
			delete(all, name)
		}
	}
	return all
}

// What is asked for by no number comes from the poms that there are, and is what the
// program takes by the same word.
func TestSetupAll(t *testing.T) {
	status, out, log := run(t, machine(nil), nil, "setup.sh", "all")
	var fetched []string
	for _, line := range strings.Split(log, "\n") {
		if _, rest, ok := strings.Cut(line, "internal/jars/poms/"); ok {
			version, _, _ := strings.Cut(rest, ".xml")
			fetched = append(fetched, version)
		}
	}
	if status != 0 || !slices.Equal(fetched, releasetest.All()) {
		t.Errorf("exit %d, fetched %q, want %q\n%s", status, fetched, releasetest.All(), out)
	}
}

func TestSetup(t *testing.T) {
	oldest, newest := releasetest.Oldest(), releasetest.Newest()
	older, newer := releasetest.Patched()
	series := newer[:strings.LastIndex(newer, ".")]
	const root = "echo 0"
	// An apt-get that brings what it is asked for.
	const brings = `case "$*" in *install*) for p in mvn java; do printf '#!/bin/sh\necho openjdk version \\"17.0.1\\"\n' > "$bin/$p"; chmod +x "$bin/$p"; done;; esac`
	cases := []struct {
		name   string
		change fakes
		env    []string
		args   []string
		status int
		says   string // in the output
		does   string // in the fakes' log
		not    string // not in the fakes' log
	}{
		{name: "all there", args: []string{newest}, says: "setup: jars of cassandra " + newest + ": ", does: "poms/" + newest + ".xml dependency:copy-dependencies", not: "apt-get"},
		{name: "two versions", args: []string{oldest, newest}, does: "poms/" + oldest + ".xml", says: "setup: all: "},
		{name: "the newest", args: []string{"newest"}, does: "poms/" + newest + ".xml", not: "poms/" + oldest},
		{name: "the oldest", args: []string{"oldest"}, does: "poms/" + oldest + ".xml", not: "poms/" + newest},
		{name: "a series", args: []string{series}, does: "poms/" + newer + ".xml", not: "poms/" + older},
		{name: "an older one", args: []string{older}, does: "poms/" + older + ".xml", not: "poms/" + newer},
		{name: "a series that is not there", args: []string{"9.9"}, status: 2, says: "no pom for cassandra 9.9", not: "make"},
		{name: "java 21", change: fakes{"java": java("21")}, args: []string{"newest"}, status: 7, says: "java is version 21, 17 is needed"},
		{name: "build alone needs no java", change: fakes{"java": "-", "mvn": "-"}, does: "make -s build"},
		{name: "no go", change: fakes{"go": "-"}, status: 7, says: "go is not in PATH", not: "make"},
		{name: "not root", change: fakes{"java": "-", "mvn": "-"}, args: []string{"newest"}, status: 7,
			says: "setup: hint: sudo apt-get update && sudo apt-get install -y openjdk-17-jdk-headless maven", not: "apt-get"},
		{name: "no sudo either", change: fakes{"mvn": "-", "sudo": "-"}, args: []string{"newest"}, status: 7, says: "install -y maven"},
		{name: "root", change: fakes{"java": "-", "mvn": "-", "id": root, "apt-get": brings}, args: []string{"newest"},
			does: "apt-get install -y --no-install-recommends openjdk-17-jdk-headless maven", not: "apt-get update"},
		{name: "root, no lists", change: fakes{"mvn": "-", "id": root, "apt-get": brings, "apt-cache": "exit 100"}, args: []string{"newest"},
			does: "apt-get update\napt-get install -y --no-install-recommends maven"},
		{name: "passwordless sudo", change: fakes{"mvn": "-", "sudo": `[ "$1" = -n ] && shift; exec "$@"`, "true": "", "apt-get": brings}, args: []string{"newest"},
			does: "apt-get install -y --no-install-recommends maven"},
		{name: "apt fails", change: fakes{"mvn": "-", "id": root, "apt-get": "echo no mirror; exit 100"}, args: []string{"newest"}, status: 7, says: "no mirror"},
		{name: "old java", change: fakes{"java": java("11.0.2"), "id": root, "apt-get": brings}, args: []string{"newest"}, does: "openjdk-17-jdk-headless"},
		{name: "java 8", change: fakes{"java": java("1.8.0_292")}, args: []string{"newest"}, status: 7, says: "install -y openjdk-17-jdk-headless"},
		{name: "new java", change: fakes{"java": java("25")}, args: []string{"newest"}, status: 7, says: "java is version 25, 17 is needed"},
		{name: "bad JAVA_HOME", env: []string{"JAVA_HOME=/nowhere"}, args: []string{"newest"}, status: 7, says: "hint: unset JAVA_HOME"},
		{name: "no compiler", change: fakes{"gcc": "-"}, args: []string{"--race"}, status: 7, says: "install -y gcc libc6-dev"},
		{name: "compiler not needed", change: fakes{"gcc": "-"}, args: []string{"newest"}},
		{name: "no network", change: fakes{"mvn": "echo '[ERROR] unknown host'; exit 1"}, args: []string{"newest"}, status: 7, says: "[ERROR] unknown host"},
		{name: "build fails", change: fakes{"make": "echo main.go:1: oops; exit 2"}, args: []string{"newest"}, status: 1, says: "main.go:1: oops"},
		{name: "tests, not root", args: []string{"--race", "--tests", "newest"}, change: fakes{"podman": ""}, says: "will be skipped: ", not: "apt-get"},
		{name: "tests, root", args: []string{"--tests", "newest"}, change: fakes{"id": root, "shellcheck": "-"}, does: "install -y --no-install-recommends", says: "setup: installing for the tests: ", not: "podman runc podman"},
		{name: "tests, no venv", args: []string{"--tests", "newest"}, change: fakes{"id": root, "python3": "exit 1"}, does: " python3-venv"},
		{name: "tests, remembered skips", args: []string{"--tests", "newest"}, change: fakes{"id": root}, does: "go clean -testcache"},
		{name: "tests, not root, remembered", args: []string{"--tests", "newest"}, not: "go clean"},
		{name: "tests, a venv", args: []string{"--tests", "newest"}, change: fakes{"id": root, "python3": ""}, not: "python3-venv"},
		{name: "tests, apt fails", args: []string{"--tests", "newest"}, change: fakes{"id": root, "apt-get": "echo no mirror; exit 100"}, says: "no mirror\nsetup: tests that need one of these will be skipped: "},
		{name: "unknown version", args: []string{"9.9.9"}, status: 2, says: "no pom for cassandra 9.9.9", not: "make"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, out, log := run(t, machine(c.change), c.env, "setup.sh", c.args...)
			if status != c.status || !strings.Contains(out, c.says) || !strings.Contains(log, c.does) || (c.not != "" && strings.Contains(log, c.not)) {
				t.Errorf("exit %d\n%s\nprograms called:\n%s", status, out, log)
			}
		})
	}
}

func TestSetupLeavesCachedJarsAlone(t *testing.T) {
	cache := t.TempDir()
	done := filepath.Join(cache, "crossring", "jars", releasetest.Newest(), ".verified")
	if err := os.MkdirAll(filepath.Dir(done), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, log := run(t, machine(nil), []string{"XDG_CACHE_HOME=" + cache}, "setup.sh", "newest")
	if status != 0 || strings.Contains(log, "mvn") || !strings.Contains(out, "cassandra "+releasetest.Newest()+": cached") {
		t.Errorf("exit %d\n%s\nprograms called:\n%s", status, out, log)
	}
}

func TestRepro(t *testing.T) {
	cases := []struct {
		name            string
		up, repro, down string // exit statuses
		status          int
		does            string
	}{
		{"good", "0", "0", "0", 0, "up -f examples/gk-cluster.yaml\nrepro gk --rows 9\ndown gk\n"},
		{"repro fails", "0", "6", "0", 6, "up -f examples/gk-cluster.yaml\nrepro gk --rows 9\ndown gk\n"},
		{"repro and down fail", "0", "6", "5", 6, "up -f examples/gk-cluster.yaml\nrepro gk --rows 9\ndown gk\n"},
		{"down fails", "0", "0", "5", 5, "up -f examples/gk-cluster.yaml\nrepro gk --rows 9\ndown gk\n"},
		{"up fails", "7", "0", "0", 7, "up -f examples/gk-cluster.yaml\ndown gk\n"},
		{"name taken", "8", "0", "0", 8, "up -f examples/gk-cluster.yaml\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			body := `case $1 in up) exit ` + c.up + `;; repro) exit ` + c.repro + `;; down) exit ` + c.down + `;; esac`
			status, out, log := run(t, fakes{"crossring": body}, []string{"CROSSRING=crossring"}, "repro.sh", "--rows", "9")
			if got := strings.ReplaceAll(log, "crossring ", ""); status != c.status || got != c.does {
				t.Errorf("exit %d, want %d\n%s\nsteps:\n%s", status, c.status, out, got)
			}
		})
	}
}

// An interrupt from the terminal reaches the whole group: the step in front
// ends with 130, and the cluster is still taken down.
func TestReproInterrupted(t *testing.T) {
	status, out, log := run(t, fakes{"crossring": `[ $1 != repro ] || { kill -INT $PPID; exit 130; }`}, []string{"CROSSRING=crossring"}, "repro.sh")
	if status != 130 || !strings.HasSuffix(log, "crossring down gk\n") {
		t.Errorf("exit %d\n%s\nsteps:\n%s", status, out, log)
	}
}
