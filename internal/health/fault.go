package health

import (
	"context"
	"fmt"
	"slices"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/provision/local/wan"
)

// Network is the state of the lines between the regions of a cluster.
type Network struct {
	Schema  string             `json:"schema"`
	Lines   []wan.Line         `json:"lines"`
	Refused []string           `json:"refused"`
	RTT     map[string]float64 `json:"rtt_ms"` // measured
	// Faults are those in force, with the time since when; nil where the keeper is one of
	// an older crossring, which does not know.
	Faults []topology.NetworkFault `json:"network_faults"`
}

// Fault changes the network between the regions of a local cluster, unless
// f.Kind is "", and says how it is then.
func Fault(ctx context.Context, w cluster.World, name string, f local.Fault) (Network, error) {
	net := Network{Schema: topology.Schema, Lines: []wan.Line{}, Refused: []string{}, RTT: map[string]float64{}}
	if err := cluster.CheckName(name); err != nil {
		return net, err
	}
	c, err := w.Open(name)
	if err != nil {
		return net, err
	}
	p := c.Place.Network
	if p == nil {
		return net, c.Place.NotHere(name, "network of crossring's own to break", "")
	}
	if f.Kind != "" {
		if err := checkRegions(c, f); err != nil {
			return net, err
		}
		before, beforeErr := p.Status(ctx, c.Inv)
		if err := p.Fault(ctx, c.Inv, f); err != nil {
			if beforeErr == nil { // nothing was done: it is as it was
				net.Lines, net.Refused, net.RTT, net.Faults = before.Lines, before.Refused, before.RTT, before.Faults
			}
			return net, err
		}
		if beforeErr == nil && before.Faults != nil && !ends(f, before.Faults) {
			w.Say("no fault was in force that %s ends", f.Kind)
		}
	}
	st, err := p.Status(ctx, c.Inv)
	net.Lines, net.Refused, net.RTT, net.Faults = st.Lines, st.Refused, st.RTT, st.Faults
	return net, err
}

// ends says whether a change ends one of the faults in force, or is not for ending any.
func ends(f local.Fault, faults []topology.NetworkFault) bool {
	kind, _ := topology.FaultKindOf(f.Kind)
	return kind.Mend != "" || slices.ContainsFunc(faults, func(old topology.NetworkFault) bool {
		return slices.Contains(kind.Ends, old.Kind) && (old.A == f.A && old.B == f.B || old.A == f.B && old.B == f.A)
	})
}

// checkRegions says whether a fault is between regions that there are.
func checkRegions(c cluster.Cluster, f local.Fault) error {
	var known []string
	for _, n := range c.Inv.Nodes {
		if !slices.Contains(known, n.Region) {
			known = append(known, n.Region)
		}
	}
	hint := "crossring fault show " + c.Inv.Plan.Name
	for _, r := range []string{f.A, f.B} {
		if r != "" && !slices.Contains(known, r) {
			return fail.Usage("", fmt.Errorf("there is no region %q in cluster %s; there are %v", r, c.Inv.Plan.Name, known), hint)
		}
	}
	if f.A == f.B {
		return fail.Usage("", fmt.Errorf("a fault is between two regions, not inside %s", f.A), hint)
	}
	return nil
}
