package ccm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"crossring/internal/topology"
)

// commandWait bounds one command of ccm's: it stops a server in up to two minutes.
const commandWait = 150 * time.Second

// driver gives ccm its commands, for one cluster.
type driver struct{ *topology.CCM }

// find finds ccm, and sees that it runs and is new enough.
func find(ctx context.Context, command string) (string, error) {
	path, err := exec.LookPath(command)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", &MissingError{Command: command, Err: err}
	}
	// There is no --version. The help of a node's start tells what crossring needs,
	// and needs no cluster.
	ctx, cancel := context.WithTimeout(ctx, commandWait)
	defer cancel()
	dir, err := os.MkdirTemp("", "crossring-ccm")
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, path, "node", "start", "--help")
	cmd.Env = append(os.Environ(), "CCM_CONFIG_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &MissingError{Command: path, Err: fmt.Errorf("%w: %s", err, lastLine(out))}
	}
	var lacks []string
	for _, option := range []string{"--root", "--skip-wait-other-notice"} {
		if !bytes.Contains(out, []byte(option)) {
			lacks = append(lacks, option)
		}
	}
	if len(lacks) > 0 {
		return "", &OldError{Command: path, Lacks: lacks}
	}
	return path, nil
}

// lastLine is the line that says what is wrong, of a traceback as of anything else.
func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// run runs one command. Commands of one cluster wait for each other: ccm writes its
// files without a thought of others that read them.
func (d driver) run(ctx context.Context, args ...string) error {
	const most = 30 * time.Minute // dozens of nodes that start on a busy computer
	waiting, stop := context.WithTimeout(ctx, most)
	defer stop()
	unlock, err := lock(waiting, filepath.Join(d.Dir, "ccm.lock"))
	if err != nil {
		return &CommandError{Args: args, Err: err}
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, commandWait)
	defer cancel()
	back, err := d.choose(ctx)
	if err == nil {
		err = d.exec(ctx, args...)
	}
	return errors.Join(err, back())
}

// choose makes the cluster ccm's current one, which its commands are about; back
// makes it the one that it was. In a directory of the cluster's own it always is.
func (d driver) choose(ctx context.Context) (back func() error, err error) {
	nothing := func() error { return nil }
	if !d.Adopted {
		return nothing, nil
	}
	data, err := os.ReadFile(filepath.Join(d.ConfigDir, "CURRENT"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nothing, fmt.Errorf("find ccm's current cluster: %w", err)
	}
	was := strings.TrimSpace(string(data))
	if was == d.Cluster {
		return nothing, nil
	}
	if err := d.exec(ctx, "switch", d.Cluster); err != nil || was == "" {
		return nothing, err
	}
	return func() error { return d.exec(context.WithoutCancel(ctx), "switch", was) }, nil
}

func (d driver) exec(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, d.Command, append(args, "--config-dir="+d.ConfigDir)...)
	cmd.Env = append(os.Environ(), "CCM_CONFIG_DIR="+d.ConfigDir)
	// What it starts outlives this command, and is not meant by Ctrl-C.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	// A file and not a pipe: a server that inherits it keeps nobody waiting.
	out, err := os.CreateTemp(d.Dir, "ccm-*.out")
	if err != nil {
		return &CommandError{Args: args, Err: err}
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	text, readErr := os.ReadFile(out.Name())
	trace := bytes.Contains(text, []byte("Traceback (most recent call last)"))
	if err == nil && trace {
		err = errors.New("it failed, though its exit status is 0")
	}
	if err != nil {
		return &CommandError{Args: args, Err: errors.Join(err, readErr), Output: lastLine(text), Trace: trace}
	}
	return nil
}

// lock takes a lock that is the kernel's and goes with this process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	const every = 50 * time.Millisecond
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another command of ccm's: %w", context.Cause(ctx))
		}
	}
}
