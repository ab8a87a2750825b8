package run

import (
	"context"
	"fmt"

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
}

// Fault changes the network between the regions of a local cluster, unless
// f.Kind is "", and says how it is then.
func (w World) Fault(ctx context.Context, name string, f local.Fault) (Network, error) {
	net := Network{Schema: topology.Schema}
	if err := checkName(name); err != nil {
		return net, err
	}
	c, err := w.open(name)
	if err != nil {
		return net, err
	}
	if c.remote() {
		return net, Usage("", fmt.Errorf("cluster %s is on machines of its own: their network is not crossring's to break", name), "")
	}
	p := w.provider("")
	if f.Kind != "" {
		if err := p.Fault(ctx, c.inv, f); err != nil {
			return net, err
		}
	}
	st, err := p.Status(ctx, c.inv)
	net.Lines, net.Refused, net.RTT = st.Lines, st.Refused, st.RTT
	return net, err
}
