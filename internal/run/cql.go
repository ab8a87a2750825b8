package run

import (
	"context"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/topology"
)

// CQLResult is the answer to each statement, as a document.
type CQLResult struct {
	Schema  string     `json:"schema"`
	Node    string     `json:"node"`
	Results []CQLTable `json:"results"`
}

// CQLTable is the answer to one statement. A cell is null, true, a number, text, a list or
// an object, as its type is.
type CQLTable struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

// CQLAnswer takes the answers: the node's name, then for each statement its columns and rows.
type CQLAnswer interface {
	Node(name string) error
	cql.Answer
}

// CQL runs statements on one node, one after another, until one fails. No answer is held as
// a whole.
func CQL(ctx context.Context, w cluster.World, ref, statements string, to CQLAnswer) error {
	list, err := cql.Split(statements)
	if err != nil {
		return fail.Usage("reading the statements", err, "")
	}
	c, n, err := w.PickOne(ref)
	if err != nil {
		return err
	}
	e, err := cluster.Endpoint(w, c, []topology.Node{n})
	if err != nil {
		return err
	}
	e.Release.NoHostLookup = true // this node and no other
	s, err := cql.Open(ctx, e)
	if err != nil {
		return &fail.Error{Code: fail.ExitFailure, Op: "", Err: err, Hint: "crossring status " + c.Inv.Plan.Name}
	}
	defer s.Close()
	if err := to.Node(n.Name); err != nil {
		return err
	}
	for _, statement := range list {
		if err := cql.Execute(ctx, s, statement, to); err != nil {
			return fail.OfNode(n.Name, "", err)
		}
	}
	return nil
}
