package jars

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"crossring/internal/plain"
)

// MissingToolError says that a program is not in PATH.
type MissingToolError struct {
	Tool string // "mvn" or "java"
}

func (e *MissingToolError) Error() string {
	return fmt.Sprintf("%s is not in PATH", e.Tool)
}

// Unwrap makes it what package exec says of a command that is not there.
func (e *MissingToolError) Unwrap() error { return exec.ErrNotFound }

// Hint is the command that helps.
func (e *MissingToolError) Hint() string {
	if e.Tool == "mvn" {
		return aptInstall("maven")
	}
	return aptInstall("openjdk-17-jdk-headless")
}

// JavaError says that no Java found is good enough, or that JAVA_HOME points
// to nothing.
type JavaError struct {
	Min int // oldest major version that would do
	Max int // newest; 0 is any
	// Found are the ones that would not, "Java 8 (/usr/bin/java)".
	Found []string
	// BadHome is JAVA_HOME, if no java command is there.
	BadHome string
}

func (e *JavaError) Error() string {
	if e.BadHome != "" {
		return fmt.Sprintf("JAVA_HOME is %s, and there is no bin/java in it", e.BadHome)
	}
	want := fmt.Sprintf("java %d or newer", e.Min)
	if e.Max != 0 {
		want = fmt.Sprintf("java %d to %d", e.Min, e.Max)
	}
	return want + " is needed; found " + strings.Join(e.Found, ", ")
}

// Hint is the command that helps.
func (e *JavaError) Hint() string {
	if e.BadHome != "" {
		return "unset JAVA_HOME"
	}
	return aptInstall("openjdk-17-jdk-headless") + " && export JAVA_HOME=$(echo /usr/lib/jvm/java-17-openjdk-*)"
}

// NoNetworkError says that jars are neither cached nor to be had.
type NoNetworkError struct {
	What    string // "cassandra 5.0.5"
	Offline bool   // mvn was not allowed to try
	Line    string // the error line of mvn
}

func (e *NoNetworkError) Error() string {
	how := "mvn could not fetch it"
	if e.Offline {
		how = "mvn was kept off the network"
	}
	return fmt.Sprintf("%s is not cached and %s: %s", e.What, how, e.Line)
}

// Hint is the command that helps.
func (e *NoNetworkError) Hint() string {
	return "check the network and the proxy in ~/.m2/settings.xml, then run the same command again"
}

// MismatchError says how a directory of jars differs from its lock.
type MismatchError struct {
	Set       string // version
	Dir       string
	Missing   []string
	Extra     []string
	Different []string
}

func (e *MismatchError) Error() string {
	var parts []string
	for _, list := range []struct {
		what  string
		names []string
	}{{"missing", e.Missing}, {"not in the lock", e.Extra}, {"with another checksum", e.Different}} {
		if n := len(list.names); n > 0 {
			names := list.names
			if n > 3 {
				names = append(append([]string{}, names[:3]...), "…")
			}
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n, list.what, strings.Join(names, ", ")))
		}
	}
	return fmt.Sprintf("jars of %s in %s differ from the lock: %s", title(e.Set), e.Dir, strings.Join(parts, "; "))
}

// Hint is the command that helps: what mvn handed out came from its own
// repository, so the bad files must go from there.
func (e *MismatchError) Hint() string {
	if len(e.Different) > 0 {
		return "find ~/.m2/repository -name '" + e.Different[0] + "' -delete, then run the same command again"
	}
	return "run the same command again"
}

// HomeError says what is wrong with an unpacked tarball.
type HomeError struct {
	Home   string
	Reason string
}

func (e *HomeError) Error() string {
	return fmt.Sprintf("cassandra home %s: %s", e.Home, e.Reason)
}

// Hint is the command that helps.
func (e *HomeError) Hint() string {
	return "ls " + plain.Word(filepath.Join(e.Home, "lib")) + ", or leave --cassandra-home out"
}

func aptInstall(pkg string) string {
	sudo := "sudo "
	if os.Geteuid() == 0 {
		sudo = ""
	}
	return sudo + "apt-get install -y " + pkg
}
