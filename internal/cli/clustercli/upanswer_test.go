package clustercli

import (
	"bytes"
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// What to copy names cqlsh's settings where they are, on every provider, as a shell reads it.
func TestUpNamesCqlshrc(t *testing.T) {
	const dir = "/state of mine/clusters/tls"
	for _, inv := range []topology.Inventory{
		{Local: &topology.Local{Dir: dir}}, {Remote: &topology.Remote{Dir: dir}}, {CCM: &topology.CCM{Dir: dir}}, {Containers: &topology.Containers{Dir: dir}},
		{EC2: &topology.EC2{}, Remote: &topology.Remote{Dir: dir}},
	} {
		inv.Plan = topology.Plan{Name: "tls", TLS: &topology.TLSPlan{Client: true}, Nodes: []topology.Node{{Name: "us-east-1-1", Index: 1, Datacenter: "us-east"}}}
		inv.Nodes = inv.Plan.Nodes
		var b bytes.Buffer
		if err := writeUp(&b, run.UpResult{Inventory: inv, Ring: &ringcheck.Ring{}}, cluster.World{}.Command); err != nil {
			t.Fatal(err)
		}
		if want := " --cqlshrc '/state of mine/clusters/tls/tls/cqlshrc' "; !strings.Contains(b.String(), want) {
			t.Errorf("%+v: %s", inv, b.String())
		}
	}
}
