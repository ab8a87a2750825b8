package cluster

import (
	"context"

	"crossring/internal/cql"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// agentless says whether the servers of a cluster are to stay without agents.
func (c Cluster) agentless() bool { return c.Place.Agentless != nil && c.Place.Agentless(c.Inv) }

// byCQL says whether the ring of a cluster is read by CQL: its servers are to have no
// agents, or could not be given any.
func (c Cluster) byCQL() (bool, error) {
	if c.agentless() {
		return true, nil
	}
	if c.Place.Attach == nil {
		return false, nil // they have one from their start
	}
	return state.Marked(c.Dir, state.Agentless)
}

// Query asks the nodes for the ring, from wherever they can be reached: through their
// agents, or by CQL where they have none.
func Query(w World, c Cluster) ringcheck.Query {
	q := ringcheck.Query{
		Inventory: c.Inv, Release: c.Rel, Dial: c.agentDialer(),
		Password: func() (string, error) { return state.KnownAgentPassword(c.Dir) },
	}
	if yes, err := c.byCQL(); yes || err != nil {
		q.CQL = func(n topology.Node) (cql.Endpoint, error) {
			if err != nil {
				return cql.Endpoint{}, err
			}
			return Endpoint(w, c, []topology.Node{n})
		}
	}
	return q
}

// AttachAgents puts the agents that the ring is read through into servers that were
// started without. Where that can't be done, the ring is read by CQL from then on, until
// it could be done: again has it tried once more.
func AttachAgents(ctx context.Context, w World, c Cluster, again bool) error {
	if c.Place.Attach == nil || c.agentless() {
		return nil
	}
	if marked, err := c.byCQL(); err != nil || marked && !again {
		return err
	}
	err := OnEach(c.Inv.Nodes, func(n topology.Node) error { return c.Place.Attach(ctx, c.Inv, n) })
	if err == nil {
		return state.Unmark(c.Dir, state.Agentless)
	}
	if ctx.Err() != nil {
		return err
	}
	w.Say("warning: the ring is read by CQL until every server has its agent, which %s tries again: %v", w.Command("up", c.Inv.Plan.Name), err)
	return state.Mark(c.Dir, state.Agentless)
}

// Endpoint is how to reach nodes of one datacenter from here.
func Endpoint(w World, c Cluster, nodes []topology.Node) (cql.Endpoint, error) {
	secure, err := c.ClientTLS()
	if err != nil {
		return cql.Endpoint{}, err
	}
	login, err := c.Login()
	if err != nil {
		return cql.Endpoint{}, err
	}
	e := cql.Endpoint{Release: c.Rel, Broadcast: map[string]string{}, Dial: c.Dialer(), TLS: secure, Login: login}
	if secure != nil {
		e.Fresh = (&LiveTLS{Cluster: c}).Fresh
	}
	for _, n := range nodes {
		e.Addresses = append(e.Addresses, n.PrivateAddress)
		e.Broadcast[n.PrivateAddress] = n.PublicAddress
		e.Port, e.Datacenter = n.Ports.Native, n.Datacenter
	}
	return e, nil
}
