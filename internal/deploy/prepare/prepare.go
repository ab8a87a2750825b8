// Package prepare makes a machine ready for a Cassandra node: disks, user,
// directories, Java and the server's own files; and runs the node there, under
// systemd or, where there is none, by itself. Each step looks before it acts, so
// that all of it may be done again, and what it makes is marked with the
// cluster's id: nothing else is ever removed.
package prepare

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"crossring/internal/fail"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// Machine is what is needed of one. Everything is done with root's rights, or
// with the login's where the node's Host.Root says so.
type Machine interface {
	// Script runs a POSIX shell script with arguments and gives what it prints.
	Script(ctx context.Context, name, script string, args ...string) (string, error)
	// ScriptIn is Script with bytes that the script finds at its standard input.
	ScriptIn(ctx context.Context, name, script string, in []byte, args ...string) (string, error)
	// Upload copies a big file of this computer.
	Upload(ctx context.Context, local, path string, mode fs.FileMode, progress func(done, total int64)) error
}

// Request says what a machine is to be made ready for.
type Request struct {
	Cluster string // name
	ID      string // marks what is made
	Node    topology.Node
	Disks   topology.Disks
	// Attached are the disks that were attached for volumes, by volume; where it has
	// none, any blank one will do.
	Attached map[string]Attached
	Release  release.Release
	Software Software
	// Fstab takes the mounts; "" is /etc/fstab.
	Fstab string
	// Note is told what a person should know, such as a volume that is missing; and
	// Step what is being done. Either may be nil.
	Note, Step func(text string)
	// Now is the clock that the machine's is held against.
	Now func() time.Time
}

// Software is where the server comes from: a Pack of this computer's, or a
// Mirror that the machine fetches from.
type Software struct {
	Pack string // tar file made by WritePack
	// Mirror is the URL of an official binary tarball, gzip. Sum is its SHA-512 or
	// SHA-256 in hex; "" takes what stands beside it as URL.sha512 or URL.sha256.
	Mirror, Sum string
	Jolokia     string // agent's jar of this computer, for a Mirror
}

// Result is what a machine turned out to be.
type Result struct {
	Facts   Facts
	Java    string // java command
	Volumes []Volume
}

// Prepare makes a machine ready. It starts nothing. Errors to tell apart:
// *ClaimedError, *ForeignError, *NotBlankError, *MissingDiskError, *SpaceError, *PortError,
// *ClockError, *JavaError, *ChecksumError.
func Prepare(ctx context.Context, m Machine, req Request) (Result, error) {
	req.complete()
	var res Result
	var err error
	if res.Facts, err = Ask(ctx, m, req.Node, req.Now); err != nil {
		return res, err
	}
	if err := res.Facts.Check(req.Node, req.Note); err != nil {
		return res, err
	}
	if n := req.Node; res.Facts.PublicHere(n) && !req.Release.BothAddresses {
		return res, &TwoAddressesError{Node: n.Name, Private: n.PrivateAddress, Public: n.PublicAddress, Version: req.Release.Version}
	}
	if err := claim(ctx, m, req); err != nil {
		return res, err
	}
	req.Step("disks")
	if res.Volumes, err = disks(ctx, m, req); err != nil {
		return res, err
	}
	req.Step("user and directories")
	if err := directories(ctx, m, req); err != nil {
		return res, err
	}
	req.Step("Java")
	if res.Java, err = java(ctx, m, req, res.Facts); err != nil {
		return res, err
	}
	req.Step("Cassandra " + req.Release.Version)
	return res, software(ctx, m, req)
}

func (r *Request) complete() {
	if r.Fstab == "" {
		r.Fstab = "/etc/fstab"
	}
	silent := func(string) {}
	if r.Note == nil {
		r.Note = silent
	}
	if r.Step == nil {
		r.Step = silent
	}
}

// root is the directory that stands for /, without a slash at its end.
func (r Request) root() string { return hostRoot(r.Node) }

func hostRoot(n topology.Node) string {
	if n.Host == nil || n.Host.Root == "" {
		return ""
	}
	return path.Clean(n.Host.Root)
}

// user is who the server runs as; "" is the login.
func user(n topology.Node) string {
	if hostRoot(n) != "" {
		return ""
	}
	return "cassandra"
}

// User is who the server of a node runs as on its machine; "" is the login.
func User(n topology.Node) string { return user(n) }

// stateDir holds what crossring itself keeps on a machine.
func stateDir(n topology.Node) string { return hostRoot(n) + "/var/lib/crossring" }

// StateDir is where crossring keeps files of its own on a node's machine.
func StateDir(n topology.Node) string { return stateDir(n) }

// home is the unpacked software of one version; Layout.Root links to it.
func (r Request) home() string { return r.Node.Layout.Root + "-" + r.Release.Version }

// Agent is the path of a Java agent on a node's machine: "jolokia" or "jamm".
func Agent(n topology.Node, name string) string {
	return path.Join(n.Layout.Root, "agents", name+".jar")
}

// marked are the directories that are made, and removed when they bear the mark: root's,
// and then the user's.
func (r Request) marked() []string {
	return append(r.rootDirs(), r.Node.Layout.Log, r.Node.Layout.Home)
}

func unique(paths ...string) []string {
	var list []string
	for _, p := range paths {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// ClaimedError says that a machine belongs to another cluster.
type ClaimedError struct{ Node, Cluster string }

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%s: its machine is used by cluster %s", e.Node, e.Cluster)
}

// NodeName is the node that the text names.
func (e *ClaimedError) NodeName() string { return e.Node }

// ExitCode is that of something that is taken.
func (e *ClaimedError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that frees it.
func (e *ClaimedError) Hint() string { return "crossring down " + e.Cluster }

// ForeignError says that something stands where a node's own should go, and was
// not made by crossring.
type ForeignError struct{ Node, Path string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s: %s is there already, and not crossring's: it is left alone", e.Node, e.Path)
}

// NodeName is the node that the text names.
func (e *ForeignError) NodeName() string { return e.Node }
