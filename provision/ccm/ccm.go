// Package ccm makes clusters by Cassandra Cluster Manager, the program of that name
// from PyPI, or takes over one that ccm has made: clusters are created, started,
// stopped and removed by ccm's own commands. What ccm needs of a Cassandra
// installation, its directories and scripts, is laid out around the jars.
//
// All nodes are on one network: there are no regions with a distance between them,
// and no instance metadata. Datacenters and racks have the plan's names by
// GossipingPropertyFileSnitch.
package ccm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
)

// Provider makes clusters by ccm. Its own files are below a state directory.
type Provider struct {
	StateDir string
	Home     string // directory of the user, where ccm keeps clusters by default
	Java     string // the java command that the nodes run on
	Jolokia  string // the agent's jar
	Log      *slog.Logger
	// Install says what installation the nodes of an inventory run on.
	Install func(topology.Inventory) (Install, error)
	Say     func(format string, args ...any)
}

// MissingError says that ccm can't be run.
type MissingError struct {
	Command string
	Err     error
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("no ccm to run, as %s: %v", e.Command, e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// ExitCode is that of a prerequisite.
func (e *MissingError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is the command that installs it.
func (e *MissingError) Hint() string {
	return "python3 -m venv ~/.local/share/ccm && ~/.local/share/ccm/bin/pip install ccm   # then ccm: {command: …/bin/ccm} in the spec, or PATH"
}

// OldError says that this ccm lacks what crossring asks of it.
type OldError struct {
	Command string
	Lacks   []string // options of its command to start a node
}

func (e *OldError) Error() string {
	return fmt.Sprintf("%s is too old: its nodes' start knows no %s, which ccm 3.1.5 does", e.Command, strings.Join(e.Lacks, " and no "))
}

// ExitCode is that of a prerequisite.
func (e *OldError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is the command that installs another one.
func (e *OldError) Hint() string { return "pip install --upgrade ccm" }

// CommandError is a command of ccm's that failed.
type CommandError struct {
	Args   []string
	Err    error
	Output string // its last line
	Trace  bool   // it is an error in ccm itself
}

func (e *CommandError) Error() string {
	s := fmt.Sprintf("ccm %s: %v", strings.Join(e.Args, " "), e.Err)
	if e.Output != "" {
		s += ": " + e.Output
	}
	return s
}

func (e *CommandError) Unwrap() error { return e.Err }

// Hint is a command that may help where ccm itself failed: an old one fails with
// newer versions of what it uses.
func (e *CommandError) Hint() string {
	if e.Trace {
		return "pip install --upgrade ccm"
	}
	return ""
}

// PathError says that ccm can't work in a directory of that name: it writes the name
// into shell scripts as it is.
type PathError struct{ Dir string }

func (e *PathError) Error() string {
	return fmt.Sprintf("ccm can't work in %q: its scripts stand no blanks and no quotes in the name of a directory", e.Dir)
}

// ExitCode is that of a wrong command line.
func (e *PathError) ExitCode() int { return fail.ExitUsage }

// Hint names the way out.
func (e *PathError) Hint() string { return "choose another place with --state DIR" }

// BrokenError says that what ccm keeps of a cluster is not whole.
type BrokenError struct {
	Cluster  string // crossring's name, or ccm's for one that is taken over
	Adopted  bool
	Problems []string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("ccm's cluster %s is not whole: %s", e.Cluster, strings.Join(e.Problems, "; "))
}

// Hint is the command that clears it away; somebody else's cluster is theirs to mend.
func (e *BrokenError) Hint() string {
	if e.Adopted {
		return "ccm switch " + e.Cluster + " && ccm status"
	}
	return "crossring down " + e.Cluster
}

// Files and directories of a cluster that crossring made, in its directory.
const (
	configDir  = "ccm"      // ccm's --config-dir, of this cluster alone
	installDir = "install"  // the Cassandra installation that its nodes run on
	madeMark   = "ccm.made" // ccm has made all nodes
)

// pathPattern is what ccm's edits of its shell scripts stand in a path.
var pathPattern = regexp.MustCompile(`^[A-Za-z0-9_./@%+=:,~-]+$`)

// Make makes the cluster with ccm, or takes over the one that the plan names. On one
// that was made before it sees that it is whole. Nothing is started.
func (p Provider) Make(ctx context.Context, plan topology.Plan) (topology.Inventory, error) {
	dir := state.Dir(p.StateDir, plan.Name)
	inv, err := readInventory(dir)
	known := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return inv, err
	}
	if known && inv.CCM.Adopted {
		return inv, whole(inv)
	}
	if known {
		if _, err := os.Stat(filepath.Join(dir, madeMark)); err == nil {
			return inv, whole(inv)
		}
	}
	command, err := find(ctx, plan.CCM.Command)
	if err != nil {
		return topology.Inventory{}, err
	}
	if plan.CCM.Cluster != "" {
		inv, err := p.adopt(plan, command)
		if err != nil {
			return topology.Inventory{}, err
		}
		return inv, state.WriteInventory(dir, inv)
	}
	if !pathPattern.MatchString(dir) {
		return topology.Inventory{}, &PathError{dir}
	}
	if !known {
		if inv, err = p.place(plan, command); err != nil {
			return topology.Inventory{}, err
		}
		if err := state.WriteInventory(dir, inv); err != nil {
			return topology.Inventory{}, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return inv, p.create(ctx, inv)
}

// create has ccm make the cluster and its nodes, from the start: of an earlier try
// that was cut short there may be half a node, which ccm can't read.
func (p Provider) create(ctx context.Context, inv topology.Inventory) error {
	c := inv.CCM
	for _, d := range []string{c.ConfigDir, filepath.Join(c.Dir, installDir)} {
		if err := os.RemoveAll(d); err != nil {
			return fmt.Errorf("clear away half of a ccm cluster: %w", err)
		}
	}
	install, err := p.Install(inv)
	if err != nil {
		return err
	}
	at := filepath.Join(c.Dir, installDir)
	if err := install.Write(at); err != nil {
		return err
	}
	if err := os.MkdirAll(c.ConfigDir, 0o755); err != nil {
		return fmt.Errorf("make ccm's directory: %w", err)
	}
	plan := inv.Plan
	settings, err := json.Marshal(map[string]any{ // JSON is YAML, too
		"cluster_name": plan.ClusterName, "num_tokens": plan.NumTokens,
		"endpoint_snitch": plan.Snitch,
	})
	if err != nil {
		return fmt.Errorf("encode settings of ccm: %w", err)
	}
	d := driver{c}
	steps := [][]string{
		{"create", c.Cluster, "--install-dir=" + at, "--partitioner=org.apache.cassandra.dht." + plan.Partitioner},
		{"updateconf", "--yaml", string(settings)},
	}
	for _, n := range inv.Nodes {
		step := []string{"add", c.Names[n.Name], "--itf=" + n.PrivateAddress, "--jmx-port=" + fmt.Sprint(n.Ports.JMX), "--remote-debug-port=0",
			"--data-center=" + n.Datacenter}
		if len(n.Tokens) > 0 {
			step = append(step, "--token="+strings.Join(n.Tokens, ","))
		}
		if n.Seed {
			step = append(step, "--seeds")
		}
		steps = append(steps, step)
	}
	for _, args := range steps {
		p.Log.Info("ccm", "step", strings.Join(args, " "))
		if err := d.run(ctx, args...); err != nil {
			return err
		}
	}
	for _, n := range inv.Nodes {
		for _, d := range []string{n.Layout.Tmp, n.Layout.Home, n.Layout.CDC, n.Layout.Hints} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return fmt.Errorf("make directories of %s: %w", n.Name, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(c.Dir, madeMark), nil, 0o644); err != nil {
		return fmt.Errorf("leave the mark %s: %w", madeMark, err)
	}
	return nil
}

// Unmake has ccm remove the cluster, and ends what ccm did not. One that was taken
// over is let go: it runs on, and is ccm's as before.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) error {
	const deadline = 3 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	c := inv.CCM
	var left []string
	if c.Adopted {
		for _, n := range inv.Nodes {
			if inv.Plan.CCM != nil && inv.Plan.CCM.Source == topology.SourceCQL {
				break // whatever agent is there is not ours
			}
			if err := (Host{Inventory: inv, Node: n}).Detach(ctx); err != nil {
				left = append(left, fmt.Sprintf("the agent in %s (%v)", n.Name, err))
			}
		}
		p.Say("cluster %s of ccm is as it was, and runs on; ccm removes it", c.Cluster)
	} else {
		if _, err := os.Stat(filepath.Join(c.ConfigDir, c.Cluster, "cluster.conf")); err == nil {
			// ccm may be gone, or unable to read what there is: then it is done without.
			if err := (driver{c}).run(ctx, "remove", c.Cluster); err != nil {
				p.Log.Warn("ccm", "err", err)
			}
		}
		for _, n := range inv.Nodes {
			if err := (Host{Inventory: inv, Node: n}).kill(ctx); err != nil {
				left = append(left, fmt.Sprintf("server of %s (%v)", n.Name, err))
			}
		}
	}
	if len(left) == 0 {
		if err := os.RemoveAll(c.Dir); err != nil {
			left = append(left, fmt.Sprintf("%s (%v)", c.Dir, err))
		}
	}
	if len(left) > 0 {
		return &provision.LeftError{Cluster: inv.Plan.Name, What: left}
	}
	return nil
}

func readInventory(dir string) (topology.Inventory, error) {
	path := filepath.Join(dir, state.InventoryFile)
	inv, err := journal.ReadInventory(path)
	if err != nil {
		return inv, err
	}
	if inv.CCM == nil {
		return inv, fmt.Errorf("read inventory %s: it is of no ccm cluster", path)
	}
	return inv, nil
}
