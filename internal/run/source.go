package run

import (
	"context"

	"crossring/internal/cql"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// agentless says whether the servers of a cluster are to stay without agents.
func (c cluster) agentless() bool { return c.place.Agentless != nil && c.place.Agentless(c.inv) }

// byCQL says whether the ring of a cluster is read by CQL: its servers are to have no
// agents, or could not be given any.
func (c cluster) byCQL() (bool, error) {
	if c.place.Attach == nil {
		return false, nil // they have one from their start
	}
	if c.agentless() {
		return true, nil
	}
	return state.Marked(c.dir, state.Agentless)
}

// query asks the nodes for the ring, from wherever they can be reached: through their
// agents, or by CQL where they have none.
func (w World) query(c cluster) ringcheck.Query {
	q := ringcheck.Query{
		Inventory: c.inv, Release: c.rel, Dial: c.agentDialer(),
		Password: func() (string, error) { return state.KnownAgentPassword(c.dir) },
	}
	if yes, err := c.byCQL(); yes || err != nil {
		q.CQL = func(n topology.Node) (cql.Endpoint, error) {
			if err != nil {
				return cql.Endpoint{}, err
			}
			return w.endpoint(c, []topology.Node{n})
		}
	}
	return q
}

// attachAgents puts the agents that the ring is read through into servers that were
// started without. Where that can't be done, the ring is read by CQL from then on, until
// it could be done: again has it tried once more.
func (w World) attachAgents(ctx context.Context, c cluster, again bool) error {
	if c.place.Attach == nil || c.agentless() {
		return nil
	}
	if marked, err := c.byCQL(); err != nil || marked && !again {
		return err
	}
	err := onEach(c.inv.Nodes, func(n topology.Node) error { return c.place.Attach(ctx, c.inv, n) })
	if err == nil {
		return state.Unmark(c.dir, state.Agentless)
	}
	if ctx.Err() != nil {
		return err
	}
	w.Say("warning: the ring is read by CQL until every server has its agent, which %s tries again: %v", w.Command("up", c.inv.Plan.Name), err)
	return state.Mark(c.dir, state.Agentless)
}
