// Package places is the one table of providers: what can be done with the nodes of a
// cluster, wherever they are. Nothing outside of it asks which provider a cluster is
// of; it asks its Place, and what a provider can't do is nil there.
package places

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"crossring/internal/deploy"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/jars"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/ec2"
	"crossring/provision/local"
	"crossring/yamlgen"
)

// Deps is what providers need of the program that asks.
type Deps struct {
	StateDir    string
	Exe         string // this program, to be run again as a keeper
	Home        string // directory of the user
	Owner       string // who is asking, for the tags of what is made
	AgentSocket string // of an SSH agent; "" is none
	// Connections holds what is open to machines and containers; nil opens nothing.
	Connections *Connections
	// Tunnel opens a connection by a tunnel that stands to the machine of a node; false
	// is that there is none. It may be nil.
	Tunnel func(ctx context.Context, inv topology.Inventory, n topology.Node, addr string) (net.Conn, bool)
	Log    *slog.Logger
	Say    func(format string, args ...any)
	Now    func() time.Time
}

// Software is what nodes run on. What was not asked for is empty.
type Software struct {
	Java    string // the java command of this computer
	Jars    jars.Jars
	Archive string // of classes; "" is none
}

// Grower changes a cluster that runs. Each method may be asked for what is done
// already, or half done.
type Grower interface {
	// CheckResize sees, before anything of it is done, that there is room for the nodes of
	// a plan, and for those that are dead and to be replaced.
	CheckResize(ctx context.Context, inv topology.Inventory, p topology.Plan, dead ...topology.Node) error
	// AddNode gives a node addresses and a place for its files, and puts it into the
	// inventory. It starts nothing.
	AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error)
	// ReplaceNode gives a node that is dead, as it was when it died, an empty place: its
	// own or another one, with other addresses.
	ReplaceNode(ctx context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error)
	// RemoveNode gives back the place of a node whose server has been stopped.
	RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error)
}

// Recorder writes the inventory of a cluster that was made: all of it, or none after a
// crash.
type Recorder interface {
	SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error)
	SaveInventory(inv topology.Inventory) error
}

// Network is that between the regions of a cluster, where crossring carries it.
type Network interface {
	// Status is a *local.KeeperGoneError where nothing carries it at the moment.
	Status(ctx context.Context, inv topology.Inventory) (local.Status, error)
	Fault(ctx context.Context, inv topology.Inventory, f local.Fault) error
}

// Breaker does to the servers of nodes what accidents do.
type Breaker interface {
	// FaultNode does a kind of topology.NodeFaultKinds to the server of a node.
	FaultNode(ctx context.Context, inv topology.Inventory, kind, node string) error
}

// Cloud is what an account knows of a cluster that was made in it.
type Cloud interface {
	// Lacking lists the firewall rules of the plan that do not stand.
	Lacking(ctx context.Context, inv topology.Inventory) ([]ec2.Lack, error)
	// Console is what the machines of nodes have printed since they booted.
	Console(ctx context.Context, inv topology.Inventory, nodes []topology.Node, enough func(output string) bool) (map[string]string, error)
	// DryRun asks whether a plan would be made.
	DryRun(ctx context.Context, p topology.Plan) error
	// Extend lets a cluster live until a time.
	Extend(ctx context.Context, inv topology.Inventory, until time.Time) error
}

// Machines are the computers of a cluster's own that its nodes are on.
type Machines interface {
	// Client reaches the machine of a node.
	Client(inv topology.Inventory, n topology.Node) (*sshhost.Client, error)
	// Disconnect forgets the machine of a node.
	Disconnect(inv topology.Inventory, node string) error
	// Dial opens a connection from the machine of a node.
	Dial(ctx context.Context, inv topology.Inventory, n topology.Node, addr string) (net.Conn, error)
}

// Place is what can be done with clusters of one provider. A nil field is what it
// can't do; NotHere says so, in one wording.
type Place struct {
	Name  string // of the provider
	Makes string // what Maker makes, in words for who waits

	// Needs says what keeps crossring from running such a cluster on this computer, before
	// anything is asked for that would not help either; nil is nothing.
	Needs func() error
	// Ready tries what of this computer such clusters need besides, and says what it
	// found. It makes nothing and asks no machine of a cluster's. nil is nothing.
	Ready func(ctx context.Context) (found string, err error)
	// Processes says that the nodes are processes of this computer, on its Java.
	Processes bool
	// OwnDisks says whether a cluster's directories are this computer's, and crossring's.
	OwnDisks func(inv topology.Inventory) bool

	// Maker makes and unmakes clusters; nil is that somebody else does. To make one it needs the software, to judge or to
	// remove one it needs neither that nor the release.
	Maker func(rel release.Release, sw Software) provision.Provider
	// Server is a node's, with its files; nil is that crossring has no hand on it.
	Server func(inv topology.Inventory, rel release.Release, n topology.Node) deploy.Host
	// Env names the software by where a node finds it; of what has one place everywhere,
	// env says where that is.
	Env func(rel release.Release, n topology.Node, env yamlgen.Env) yamlgen.Env
	// Files are those that are put where a node is, of those that were rendered for it;
	// nil is all of them as they are.
	Files func(inv topology.Inventory, n topology.Node, files []deploy.File) []deploy.File
	// Attach puts the agents that the ring is read through into servers that were started
	// without; nil is that there are none of those.
	Attach func(ctx context.Context, inv topology.Inventory, n topology.Node) error
	// Agentless says that the servers of a cluster are to stay without agents, so that the
	// ring is read by CQL; nil is that each has one, or gets it.
	Agentless func(inv topology.Inventory) bool
	// FreePorts says whether the ports of nodes that do not run are free; nil is that
	// nobody else is where the nodes are.
	FreePorts func(ctx context.Context, nodes []topology.Node) error

	// Dial opens a connection to a port at the private address of a node; nil is that this
	// computer reaches it as it is.
	Dial func(ctx context.Context, inv topology.Inventory, n topology.Node, port int) (net.Conn, error)
	// DialAgent is Dial for the port of the agent.
	DialAgent func(ctx context.Context, inv topology.Inventory, n topology.Node, port int) (net.Conn, error)
	// DialFrom opens a connection to an address as a node does, from where it is; nil is
	// that this can't be done.
	DialFrom func(ctx context.Context, inv topology.Inventory, from topology.Node, addr string) (net.Conn, error)

	Machines Machines
	// Read reads a file of a node that is on no machine; nil is that it is this computer's.
	Read func(ctx context.Context, inv topology.Inventory, n topology.Node, path string) ([]byte, error)
	// Inside is the command by which something is run where a node is, when it is not on a
	// machine and not on this computer; nil where it is.
	Inside  func(inv topology.Inventory, n topology.Node, command string) string
	Grower  Grower
	Record  Recorder
	Network Network
	Breaker Breaker
	Cloud   Cloud

	// Volumes are those that are attached to the machine of a node, by the disk that they
	// are; nil is that its disks are its own.
	Volumes func(inv topology.Inventory, node string) map[string]prepare.Attached
	// Life is when a cluster was made, and when its time to live ends; nil is that it has
	// no end.
	Life func(inv topology.Inventory) (made, ends time.Time, err error)
	// Assumed are the nodes of a plan of which nothing was made, where they would be; nil
	// is that this is not known before.
	Assumed func(p topology.Plan) ([]topology.Node, error)
	// Depends says what a plan depends on and this computer has not; nil is nothing.
	Depends func(p topology.Plan) error
	// Holds says what taking a cluster down takes away; "" is its nodes, and no more.
	Holds func(inv topology.Inventory) string
	// Loopback says that nodes may see each other come from 127.0.0.1, so that it belongs
	// into their certificates; nil is that they may not.
	Loopback func(inv topology.Inventory, n topology.Node) bool
}

// NotHereError says that a cluster's provider can't do what was asked.
type NotHereError struct {
	Cluster, Provider string
	What              string // can't be done: "commands on the machines of its nodes"
	Instead           string // the command that does it; may be empty
}

func (e *NotHereError) Error() string {
	return fmt.Sprintf("cluster %s is of provider %s, which has no %s", e.Cluster, e.Provider, e.What)
}

// ExitCode is that of a wrong command line.
func (e *NotHereError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that does it.
func (e *NotHereError) Hint() string { return e.Instead }

// NotHere refuses what a cluster's provider has not got.
func (p Place) NotHere(cluster, what, instead string) error {
	return &NotHereError{Cluster: cluster, Provider: p.Name, What: what, Instead: instead}
}

// UnknownError says that no provider has that name.
type UnknownError struct{ Provider string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no provider %q", e.Provider) }

// ExitCode is that of a wrong spec.
func (e *UnknownError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that checks a spec.
func (e *UnknownError) Hint() string { return "crossring plan -f FILE" }

// table has the providers.
func table() map[string]func(Deps) Place {
	return map[string]func(Deps) Place{
		"local": localPlace, "hosts": hostsPlace, "ec2": ec2Place, "ccm": ccmPlace, "containers": containersPlace,
		"attached": attachedPlace,
	}
}

// Names are the names of the providers that make clusters, in order.
func Names() []string {
	all := table()
	maps.DeleteFunc(all, func(_ string, of func(Deps) Place) bool { return of(Deps{}).Maker == nil })
	return slices.Sorted(maps.Keys(all))
}

// Host is a node's server, with its files. Where a provider has none, it is one that
// answers so whatever it is asked.
func (p Place) Host(inv topology.Inventory, rel release.Release, n topology.Node) deploy.Host {
	if p.Server == nil {
		return lostHost{err: p.NoServers(inv.Plan.Name, "")}
	}
	return p.Server(inv, rel, n)
}

// NoServers refuses what would start, stop, change or read the servers of a cluster, or
// make or remove it; nil where that can be done.
func (p Place) NoServers(cluster, instead string) error {
	if p.Server != nil && p.Maker != nil {
		return nil
	}
	return p.NotHere(cluster, "servers of crossring's own", cmp.Or(instead, plain.Command("crossring", "status", cluster)))
}

// For is the place of a plan's clusters.
func For(provider string, d Deps) (Place, error) {
	of, ok := table()[provider]
	if !ok {
		return Place{}, &UnknownError{Provider: provider}
	}
	return of(d), nil
}
