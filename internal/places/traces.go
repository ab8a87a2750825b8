package places

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/provision"
	"crossring/provision/containers"
	"crossring/provision/local"
)

// Lost is a cluster whose inventory can't be had, with what its spec says of it where
// that can be read.
type Lost struct {
	Name       string
	Provider   string // "" is not known
	DockerHost string // of the containers; "" is the one that docker would use
	Taken      string // ccm's name of a cluster that was taken over; "" is none
}

// Of says of which provider a lost cluster is: by its spec, or else by the files of its
// directory; "" where nothing tells.
func (l Lost) Of(d Deps) string {
	if l.Provider != "" {
		return l.Provider
	}
	dir := state.Dir(d.StateDir, l.Name)
	there := func(files ...string) bool {
		return slices.ContainsFunc(files, func(file string) bool {
			_, err := os.Lstat(filepath.Join(dir, file))
			return err == nil
		})
	}
	switch {
	case EC2(d).LeavesTraces(l.Name):
		return "ec2"
	case there("ccm", "ccm.made", "ccm.lock"):
		return "ccm"
	case there("keeper.lock", "keeper.log", "keeper.sock"):
		return "local"
	case there(state.KnownHosts, preparedFile):
		return "hosts"
	}
	return ""
}

// Expensive says whether a lost cluster may be of hosts that are somebody's to pay for,
// so that a person is asked first.
func (l Lost) Expensive(d Deps) bool { return l.Of(d) == "ec2" || EC2(d).LeavesTraces(l.Name) }

// RemoveTraces removes what is left of a cluster, by every trace that any provider
// leaves: processes, locks, labels, tags, EC2's state and journal. Its directory stays.
// The error names what is left, with its exit code, or what has to be there to look.
func (l Lost) RemoveTraces(ctx context.Context, d Deps) error {
	dir, kind := state.Dir(d.StateDir, l.Name), l.Of(d)
	left, err := local.Provider{StateDir: d.StateDir, Log: d.Log}.EndTraces(ctx, l.Name)
	errs := []error{err}
	if l.Expensive(d) {
		errs = append(errs, EC2(d).UnmakeTraces(ctx, l.Name))
	}
	if kind == "containers" || kind == "" {
		err := containers.Provider{StateDir: d.StateDir, Log: d.Log}.UnmakeTraces(ctx, l.DockerHost, l.Name)
		var silent *containers.UnreachableError
		if kind == "" && errors.As(err, &silent) {
			err = nil // nothing says that there ever were any
		}
		errs = append(errs, err)
	}
	if l.Taken != "" {
		left = append(left, fmt.Sprintf("the agents in the servers of ccm's cluster %s, which was taken over", l.Taken))
	}
	if held := heldKeys(dir); kind == "hosts" && len(held) > 0 {
		errs = append(errs, &LostMachinesError{Cluster: l.Name, Dir: dir, Machines: held})
	}
	if len(left) > 0 {
		errs = append(errs, &provision.LeftError{Cluster: l.Name, What: left})
	}
	return errors.Join(errs...)
}

// LostMachinesError says that machines can't be cleared: the id that they were claimed
// with stood in the inventory alone, and nothing else proves that what is on them is of
// this cluster.
type LostMachinesError struct {
	Cluster, Dir string
	Machines     []string
}

func (e *LostMachinesError) Error() string {
	return fmt.Sprintf("cluster %s: without its inventory what it put on its machines can't be told from what another cluster did: %s",
		e.Cluster, strings.Join(e.Machines, ", "))
}

// ExitCode is that of something left behind.
func (e *LostMachinesError) ExitCode() int { return fail.ExitLeftover }

// Hint is the command that forgets them.
func (e *LostMachinesError) Hint() string {
	return plain.Command("rm", "-r", e.Dir) + "   # when the machines have been cleared by hand"
}

// heldKeys lists the machines whose host keys are held for a cluster.
func heldKeys(dir string) []string {
	data, err := os.ReadFile(filepath.Join(dir, state.KnownHosts))
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		host, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && host != "" && host[0] != '#' && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return all
}
