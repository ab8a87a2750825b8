//go:build linux

package awslab

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/internal/load"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/test/awsfault"
	"crossring/test/harness"
)

// grown is a cluster of some nodes with rows at every replica.
func grown(t *testing.T, version string, east, west, rows int) (o operator, runDir string) {
	needLab(t)
	if !harness.Long() {
		t.Skip("runs in make test-long (CROSSRING_LONG=1): a change takes minutes of both processors")
	}
	publish(t, version)
	o = newOperator(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.crossring("logs", "lab", "--lines", "150"))
		}
		o.nothingLeft("lab")
	})
	o.want(0, "up", "-f", o.sized("lab", version, east, west))
	r := o.want(0, "stress", "write", "lab", "--rows", fmt.Sprint(rows), "--write-consistency", "ALL", "-o", "json")
	return o, decode[load.StressResult](t, r).RunDir
}

// hasAll reads every row in both datacenters, from the datacenter's own nodes.
func (o operator) hasAll(runDir string, rows int) {
	o.t.Helper()
	for _, dc := range []string{"us-east", "us-west-2"} {
		again := filepath.Join(o.t.TempDir(), dc)
		if err := os.CopyFS(again, writes(runDir)); err != nil {
			o.t.Fatal(err)
		}
		r := o.want(0, "stress", "read", "lab", "--run", again, "--rows", fmt.Sprint(rows), "--read-dc", dc,
			"--read-consistency", "LOCAL_QUORUM", "--missing-deadline", "0s", "-o", "json")
		if got := decode[load.StressResult](o.t, r); got.Read == nil || got.Read.Found != int64(rows) {
			o.t.Errorf("want %d rows in %s: %s", rows, dc, r)
		}
	}
}

// writes is what of a run's directory another read needs.
func writes(dir string) fs.FS {
	return onlyWrites{os.DirFS(dir)}
}

type onlyWrites struct{ fs.FS }

func (w onlyWrites) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool {
		write, _ := filepath.Match("write*.raw", e.Name())
		return !write && e.Name() != "meta.json"
	}), err
}

// becomes changes the cluster by its plan: the calls are those that were planned, the
// ring and what stands in EC2 are as planned, and then there is nothing more to do.
func (o operator) becomes(file string, flags ...string) topology.Inventory {
	o.t.Helper()
	planned := decode[topology.Plan](o.t, o.want(0, append([]string{"plan", "-f", file, "-o", "json"}, flags...)...))
	if planned.Change == nil || planned.Cost == nil || planned.Change.PerHourBeforeUSD == nil {
		o.t.Fatalf("%+v", planned.Change)
	}
	for _, s := range planned.Change.Steps {
		if s.Kind == topology.StepJoin && s.Bytes == nil {
			o.t.Errorf("the plan does not say how much moves: %+v", s)
		}
	}
	world.lab.proxy.Arm(nil)
	up := decode[run.UpResult](o.t, o.want(0, append([]string{"up", "-f", file, "-o", "json"}, flags...)...))
	var calls []string
	for _, c := range world.lab.proxy.Mutations() {
		calls = append(calls, c.Region+" "+c.Action)
	}
	var want []string
	for _, c := range planned.Calls {
		var region, action string
		if _, err := fmt.Sscan(c, &region, &action); err != nil {
			o.t.Fatal(err)
		}
		want = append(want, region+" "+action)
	}
	slices.Sort(calls)
	slices.Sort(want)
	if !slices.Equal(calls, want) {
		o.t.Errorf("called %q, planned were %q", calls, want)
	}
	inv := up.Inventory
	if len(inv.Nodes) != len(planned.Nodes) || len(inv.EC2.Hosts) != len(planned.Nodes) {
		o.t.Errorf("%d nodes on %d hosts, planned were %d", len(inv.Nodes), len(inv.EC2.Hosts), len(planned.Nodes))
	}
	owns := map[string]float64{}
	for _, n := range planned.Change.Nodes {
		owns[n.Name] = n.OwnsAfter
	}
	ring := decode[ringcheck.Ring](o.t, o.want(0, "status", "lab", "-o", "json"))
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			i := slices.IndexFunc(planned.Nodes, func(p topology.Node) bool { return p.Name == n.Name })
			if i < 0 || !slices.Equal(n.Tokens, planned.Nodes[i].Tokens) || n.OwnsEffective == nil || math.Abs(*n.OwnsEffective-owns[n.Name]) > 1e-3 {
				o.t.Errorf("%+v is not as planned", n)
			}
		}
	}
	world.lab.proxy.Arm(nil)
	o.want(0, "up", "-f", file)
	if calls := world.lab.proxy.Mutations(); len(calls) > 0 {
		o.t.Errorf("a second up called %v", calls)
	}
	return inv
}

// Hosts come and go while the ring runs, with rows in it.
func TestGrowJourney(t *testing.T) {
	version, rows := newest, 20_000
	o, runDir := grown(t, version, 1, 1, rows)
	inv := o.becomes(o.sized("lab", version, 2, 2))
	for _, n := range inv.Nodes {
		o.checkHost(n, inv.EC2.Hosts[n.Name].Instance, version)
	}
	o.hasAll(runDir, rows)
	o.becomes(o.sized("lab", version, 2, 1))
	o.hasAll(runDir, rows)
	o.want(0, "down", "lab", "--yes")
}

// An instance that somebody terminated is replaced by another one, with an address of
// its own; it was a seed.
func TestReplaceJourney(t *testing.T) {
	version, rows := newest, 20_000
	o, runDir := grown(t, version, 1, 1, rows)
	before := decode[run.UpResult](t, o.want(0, "up", "lab", "-o", "json")).Inventory
	lost := before.Nodes[1]
	if _, err := o.console(lost.Region).TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{before.EC2.Hosts[lost.Name].Instance}}); err != nil {
		t.Fatal(err)
	}
	inv := o.becomes(o.sized("lab", version, 1, 1), "--replace-node", lost.Name)
	n := inv.Nodes[1]
	if n.PublicAddress == lost.PublicAddress || inv.EC2.Hosts[n.Name].Instance == before.EC2.Hosts[n.Name].Instance || !slices.Equal(n.Tokens, lost.Tokens) {
		t.Errorf("%s became %+v", lost.Name, n)
	}
	stock, err := awsfault.Count(t.Context(), world.lab.Emulator(), world.lab.Regions())
	addresses := 0
	for _, thing := range stock.Without(world.before) {
		if ok, _ := filepath.Match("* elastic-ip *", thing); ok {
			addresses++
		}
	}
	if err != nil || addresses != 2 {
		t.Errorf("%d addresses: %v, %v", addresses, stock.Without(world.before), err)
	}
	o.hasAll(runDir, rows)
	// The other one has the new address among its seeds.
	o.want(0, "restart", "lab:1")
	o.want(0, "up", "lab")
	o.want(0, "down", "lab", "--yes")
}
