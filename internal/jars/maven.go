package jars

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// javaForMaven is the oldest Java that Maven 3 runs on.
const javaForMaven = 8

// Resolve has mvn copy the jars of one of Sets into dir, without holding them
// against a lock. It is how locks are made; everything else wants Ensure.
func Resolve(ctx context.Context, set, dir string) error {
	work, err := os.MkdirTemp("", "crossring-jars-")
	if err != nil {
		return fmt.Errorf("resolving jars: %w", err)
	}
	defer os.RemoveAll(work)
	return resolve(ctx, Request{Progress: func(string) {}}, set, work, dir)
}

// resolve runs mvn with the set's pom, put into work, and its output in dir.
func resolve(ctx context.Context, req Request, set, work, dir string) error {
	pom, err := Pom(set)
	if err != nil {
		return err
	}
	mvn, err := FindMaven(ctx)
	if err != nil {
		return err
	}
	pomFile := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o644); err != nil {
		return fmt.Errorf("writing the pom of %s: %w", title(set), err)
	}
	args := append([]string{"-B", "-f", pomFile, "-DoutputDirectory=" + dir}, req.MavenArgs...)

	// Without the network first, where that may do: no repository is asked for
	// anything, and a dead network is not waited for.
	if req.Offline || inUsersRepository(set) {
		req.Progress("taking " + title(set) + " from Maven's local repository")
		line, err := runMaven(ctx, req, mvn, append([]string{"-o"}, args...), title(set))
		if err != nil || line == "" {
			return err
		}
		if req.Offline {
			return &NoNetworkError{What: title(set), Offline: true, Line: line}
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("clearing what mvn left: %w", err)
		}
	}
	req.Progress("fetching " + title(set) + " with mvn")
	line, err := runMaven(ctx, req, mvn, args, title(set))
	if err != nil || line == "" {
		return err
	}
	return &NoNetworkError{What: title(set), Line: line}
}

// inUsersRepository looks for the set's main jar where mvn keeps its own files.
// A guess: it decides what is tried first, not what is possible.
func inUsersRepository(set string) bool {
	home, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	found, err := filepath.Glob(filepath.Join(home, ".m2/repository/org/apache/cassandra/cassandra-all", set, "*.jar"))
	return err == nil && (len(found) > 0 || set == agentSet)
}

// runMaven returns mvn's own error line if it ran and failed, and an error if
// it did not run or was interrupted.
func runMaven(ctx context.Context, req Request, mvn string, args []string, what string) (string, error) {
	args = append(args, "dependency:copy-dependencies")
	if req.Log != nil {
		req.Log.Debug("running mvn", "path", mvn, "args", args)
	}
	cmd := exec.CommandContext(ctx, mvn, args...)
	// Asked to stop before it is killed, so that it can clear its half-written files.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// A JVM leaves hsperfdata_* in the temporary directory unless told otherwise.
	cmd.Env = append(os.Environ(), "MAVEN_OPTS="+strings.TrimSpace(os.Getenv("MAVEN_OPTS")+" -XX:-UsePerfData"))
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	line := make(chan string, 1)
	go func() { line <- watchMaven(out, req.Progress, what) }()
	err := cmd.Run()
	in.Close()
	said := <-line
	if err == nil {
		return "", nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("fetching the jars of %s: %w", what, context.Cause(ctx))
	}
	if _, ran := err.(*exec.ExitError); !ran {
		return "", fmt.Errorf("running %s: %w", mvn, err)
	}
	if said == "" {
		said = err.Error()
	}
	return said, nil
}

// watchMaven reads mvn's output to its end, reports each jar that arrives, and
// returns the line that says what went wrong: the first error, for those that
// follow it explain how to read it; without one the last line.
func watchMaven(out io.Reader, progress func(string), what string) string {
	var failed, last string
	// To the end, however long a line is: mvn would wait for a reader for ever.
	in := bufio.NewReader(out)
	for err := error(nil); err == nil; {
		var text string
		text, err = in.ReadString('\n')
		text = strings.TrimSpace(text)
		if text != "" {
			last = text
		}
		if rest, ok := strings.CutPrefix(text, "[ERROR] "); ok && failed == "" && rest != "" {
			failed, _, _ = strings.Cut(rest, " -> [Help")
		}
		// "[INFO] Downloaded from NAME: URL (SIZE at SPEED)"
		if _, rest, ok := strings.Cut(text, "Downloaded from "); ok {
			if fields := strings.Fields(rest); len(fields) > 1 && strings.HasSuffix(fields[1], ".jar") {
				progress("fetching " + what + ": " + path.Base(fields[1]))
			}
		}
	}
	// A line too long for the scanner must not stop mvn: read on.
	_, _ = io.Copy(io.Discard, out)
	if failed != "" {
		return failed
	}
	return last
}
