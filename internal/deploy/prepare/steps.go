package prepare

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/topology"
)

// claim makes a machine this cluster's, unless it is another's.
func claim(ctx context.Context, m Machine, req Request) error {
	out, err := m.Script(ctx, "claim the machine", claimScript, stateDir(req.Node), req.ID, req.Cluster, req.root())
	if err != nil {
		return err
	}
	if other := strings.TrimSpace(out); other != "" {
		return &ClaimedError{Node: req.Node.Name, Cluster: other}
	}
	return nil
}

// directories makes the user, its limits and the directories. One that is there,
// with something in it, and does not bear this cluster's mark, is refused.
func directories(ctx context.Context, m Machine, req Request) error {
	u := user(req.Node)
	if u != "" {
		if _, err := m.Script(ctx, "make user "+u, userScript, u, req.Node.Layout.Home, req.ID, stateDir(req.Node)); err != nil {
			return err
		}
	}
	l := req.Node.Layout
	args := append([]string{req.ID, u, stateDir(req.Node), strconv.Itoa(len(req.rootDirs()))}, req.marked()...)
	out, err := m.Script(ctx, "make directories", markScript, args...)
	if err == nil && strings.TrimSpace(out) == "" {
		inRoots := []string{l.Data, l.Commitlog, l.SavedCaches, l.Hints, l.CDC}
		args = append([]string{u, strconv.Itoa(len(inRoots))}, append(inRoots, l.Tmp)...)
		out, err = m.Script(ctx, "make directories", dirsScript, args...)
	}
	if err != nil {
		return err
	}
	if dir := strings.TrimSpace(out); dir != "" {
		return &ForeignError{Node: req.Node.Name, Path: dir}
	}
	return nil
}

// Versions of Java: the Jolokia agent needs 11, and 17 is the newest that every
// series runs on.
const (
	javaLeast = 11
	javaMost  = 17
)

// JavaError says that there is no Java that fits, and that none could be installed.
type JavaError struct {
	Node string
	Min  int
	Err  error
}

func (e *JavaError) Error() string {
	return fmt.Sprintf("%s: no Java %d to %d: %v", e.Node, e.Min, javaMost, e.Err)
}

// NodeName is the node that the text names.
func (e *JavaError) NodeName() string { return e.Node }

func (e *JavaError) Unwrap() error { return e.Err }

// ExitCode is that of a missing prerequisite.
func (e *JavaError) ExitCode() int { return fail.ExitPrerequisite }

// java finds a java command that fits, or installs one.
func java(ctx context.Context, m Machine, req Request, f Facts) (string, error) {
	least := max(req.Release.JavaMin, javaLeast)
	home, install := "", "yes"
	if h := req.Node.Host; h != nil {
		home = h.JavaHome
	}
	if req.root() != "" {
		install = "no" // without root's rights there is no package manager
	}
	find := func(may string) (string, error) {
		out, err := m.Script(ctx, "find Java", javaScript, strconv.Itoa(least), strconv.Itoa(javaMost), home, may)
		return strings.TrimSpace(out), err
	}
	found, err := find("no")
	if err == nil && found == "" && install == "yes" && home == "" {
		req.Step("install Java 17")
		found, err = find("yes")
	}
	if err != nil {
		return "", &JavaError{Node: req.Node.Name, Min: least, Err: err}
	}
	if found == "" {
		return "", &JavaError{Node: req.Node.Name, Min: least, Err: errors.New("none is installed on " + f.OS)}
	}
	return found, nil
}

// ChecksumError says that what was fetched is not what it should be.
type ChecksumError struct{ Node, URL string }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s: %s: its checksum is not the one that is known", e.Node, e.URL)
}

// NodeName is the node that the text names.
func (e *ChecksumError) NodeName() string { return e.Node }

// software puts the server's jars and agents in their place.
func software(ctx context.Context, m Machine, req Request) error {
	s := req.Software
	home, link := req.home(), req.Node.Layout.Root
	if s.Mirror == "" {
		sum, err := fileSum(s.Pack)
		if err != nil {
			return err
		}
		out, err := m.Script(ctx, "look for "+home, haveScript, home, sum, req.ID, link)
		if err != nil || strings.TrimSpace(out) == "done" {
			return foreign(req, out, err)
		}
		if strings.TrimSpace(out) != "" {
			return foreign(req, out, nil)
		}
		pack := path.Join(stateDir(req.Node), "pack.tar")
		if err := m.Upload(ctx, s.Pack, pack, 0o600, nil); err != nil {
			return err
		}
		_, err = m.Script(ctx, "unpack "+home, unpackScript, home, sum, req.ID, link, pack, "0")
		return err
	}
	out, err := m.Script(ctx, "look for "+home, haveScript, home, s.Mirror, req.ID, link)
	if err != nil || strings.TrimSpace(out) == "done" {
		return foreign(req, out, err)
	}
	if strings.TrimSpace(out) != "" {
		return foreign(req, out, nil)
	}
	pack := path.Join(stateDir(req.Node), path.Base(s.Mirror))
	out, err = m.Script(ctx, "fetch "+s.Mirror, fetchScript, s.Mirror, pack, s.Sum)
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) != "fits" {
		return &ChecksumError{Node: req.Node.Name, URL: s.Mirror}
	}
	if _, err := m.Script(ctx, "unpack "+home, unpackScript, home, s.Mirror, req.ID, link, pack, "1"); err != nil {
		return err
	}
	return m.Upload(ctx, s.Jolokia, Agent(req.Node, "jolokia"), 0o644, nil)
}

// foreign reads an answer of haveScript that is not empty.
func foreign(req Request, out string, err error) error {
	if p, ok := strings.CutPrefix(strings.TrimSpace(out), "foreign "); ok && err == nil {
		return &ForeignError{Node: req.Node.Name, Path: p}
	}
	return err
}

// Remove takes away what Prepare put on a machine, and no more; the server must
// have ended. Disks that were formatted stay so, unmounted. It lists what is left
// of it, none when all is gone.
func Remove(ctx context.Context, m Machine, req Request) (left []string, err error) {
	req.complete()
	args := []string{req.ID, stateDir(req.Node), req.Node.Layout.Root, unitPath, user(req.Node), req.root(), req.home()}
	out, err := m.Script(ctx, "remove directories", removeScript, append(args, req.marked()...)...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		left = append(left, strings.TrimSpace(line))
	}
	if len(left) == 0 && req.root() == "" {
		_, err = m.Script(ctx, "unmount disks", unmountScript, req.Fstab, req.ID)
	}
	if len(left) == 0 && err == nil {
		_, err = m.Script(ctx, "release the machine", releaseScript, stateDir(req.Node), req.ID, req.root())
	}
	return left, err
}

// Claimed says whose a machine is: the id of a cluster, or "".
func Claimed(ctx context.Context, m Machine, n topology.Node) (string, error) {
	out, err := m.Script(ctx, "ask whose the machine is", `[ ! -f "$1/cluster" ] || cut -d ' ' -f 1 "$1/cluster"`, stateDir(n))
	return strings.TrimSpace(out), err
}
