//go:build !linux

package local

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// errHere is what everything but reading and writing inventories comes to here.
var errHere = procs.NeedLinux("provider local", Instead)

// Keeper says that there is none here, and returns the exit code.
func Keeper([]string) int {
	fmt.Fprintln(os.Stderr, "crossring: error:", errHere)
	fmt.Fprintln(os.Stderr, "crossring: hint:", Instead)
	return 7
}

// Make is a *procs.NotLinuxError, as are all methods that are not of inventories.
func (p Provider) Make(context.Context, topology.Plan) (topology.Inventory, error) {
	return topology.Inventory{}, errHere
}

// Unmake is a *procs.NotLinuxError.
func (p Provider) Unmake(context.Context, topology.Inventory) error { return errHere }

// Traces are what runs on this computer for a cluster's directory: nothing.
type Traces struct{}

// Any says that there is something.
func (Traces) Any() bool { return false }

// Traces finds nothing: there is no cluster of this computer here.
func (p Provider) Traces(string) (Traces, error) { return Traces{}, nil }

// Named finds no cluster that runs here.
func (p Provider) Named() ([]string, error) { return nil, nil }

// EndTraces has nothing to end.
func (p Provider) EndTraces(context.Context, string) ([]string, error) { return nil, nil }

// Free is a *procs.NotLinuxError.
func Free(string) (uint64, error) { return 0, errHere }

// Status is a *procs.NotLinuxError.
func (p Provider) Status(context.Context, topology.Inventory) (Status, error) {
	return Status{}, errHere
}

// Fault is a *procs.NotLinuxError.
func (p Provider) Fault(context.Context, topology.Inventory, Fault) error { return errHere }

// FaultNode is a *procs.NotLinuxError.
func (p Provider) FaultNode(context.Context, topology.Inventory, string, string) error {
	return errHere
}

// CheckPorts is a *procs.NotLinuxError.
func (p Provider) CheckPorts(context.Context, []topology.Node) error { return errHere }

// CheckResize is a *procs.NotLinuxError.
func (p Provider) CheckResize(context.Context, topology.Inventory, topology.Plan, ...topology.Node) error {
	return errHere
}

// AddNode is a *procs.NotLinuxError.
func (p Provider) AddNode(_ context.Context, inv topology.Inventory, _ topology.Node) (topology.Inventory, error) {
	return inv, errHere
}

// RemoveNode is a *procs.NotLinuxError.
func (p Provider) RemoveNode(_ context.Context, inv topology.Inventory, _ string) (topology.Inventory, error) {
	return inv, errHere
}

// EmptyNode is a *procs.NotLinuxError.
func (p Provider) EmptyNode(topology.Inventory, topology.Node) error { return errHere }

// Put is a *procs.NotLinuxError.
func (h Host) Put(context.Context, string, []byte, fs.FileMode) error { return errHere }

// Start is a *procs.NotLinuxError.
func (h Host) Start(context.Context) error { return errHere }

// Stop is a *procs.NotLinuxError.
func (h Host) Stop(context.Context, time.Duration) error { return errHere }

// State is a *procs.NotLinuxError.
func (h Host) State(context.Context) (topology.Process, error) { return topology.Process{}, errHere }

// Tail is a *procs.NotLinuxError.
func (h Host) Tail(context.Context, int) ([]string, error) { return nil, errHere }

// Ready is for Linux.
func Ready() (string, error) { return "", errHere }
