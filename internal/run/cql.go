package run

import (
	"context"
	"fmt"

	"crossring/internal/cql"
	"crossring/internal/topology"
)

// CQLResult is the answer to each statement.
type CQLResult struct {
	Schema  string      `json:"schema"`
	Node    string      `json:"node"`
	Results []cql.Table `json:"results"`
}

// CQL runs statements on one node, one after another, until one fails.
func (w World) CQL(ctx context.Context, ref, statements string) (CQLResult, error) {
	res := CQLResult{Schema: topology.Schema, Results: []cql.Table{}}
	c, n, err := w.pickOne(ref)
	if err != nil {
		return res, err
	}
	res.Node = n.Name
	e, err := w.endpoint(c, []topology.Node{n})
	if err != nil {
		return res, err
	}
	e.Release.NoHostLookup = true // this node and no other
	s, err := cql.Open(ctx, e)
	if err != nil {
		return res, &Fail{Code: ExitFailure, Op: "", Err: err, Hint: "crossring status " + c.inv.Plan.Name}
	}
	defer s.Close()
	for _, statement := range cql.Split(statements) {
		t, err := cql.Execute(ctx, s, statement)
		if err != nil {
			return res, fmt.Errorf("%s: %w", n.Name, err)
		}
		res.Results = append(res.Results, t)
	}
	return res, nil
}

// endpoint is how to reach nodes of one datacenter from here.
func (w World) endpoint(c cluster, nodes []topology.Node) (cql.Endpoint, error) {
	secure, err := c.clientTLS()
	if err != nil {
		return cql.Endpoint{}, err
	}
	e := cql.Endpoint{Release: c.rel, Broadcast: map[string]string{}, Dial: c.dialer(), TLS: secure}
	if secure != nil {
		e.Fresh = (&liveTLS{c: c}).fresh
	}
	for _, n := range nodes {
		e.Addresses = append(e.Addresses, n.PrivateAddress)
		e.Broadcast[n.PrivateAddress] = n.PublicAddress
		e.Port, e.Datacenter = n.Ports.Native, n.Datacenter
	}
	return e, nil
}
