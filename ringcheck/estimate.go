package ringcheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossring/internal/many"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// estimateTimeout bounds the wait for one node's estimate, which includes the
// flush of a memtable where that is asked for.
const estimateTimeout = 2 * time.Minute

// KeyEstimates asks every node how many keys (partitions) of a table it holds: the
// estimate that cfstats or tablestats shows, by broadcast address. Before 3.11
// memtables do not count and SSTables count in steps of 128; flush makes each
// node write its memtable out first. The map has the nodes that answered even
// when err is not nil. It needs the agents: without them it is an error.
func KeyEstimates(ctx context.Context, q Query, keyspace, table string, flush bool) (map[string]int64, error) {
	if q.CQL != nil {
		return nil, errors.New("estimating keys: only the jolokia agent tells, and this cluster has none")
	}
	type answer struct {
		count int64
		err   error
	}
	answers, _ := many.Map(ctx, q.Inventory.Nodes, atOnce, func(ctx context.Context, n topology.Node) (answer, error) {
		ctx, cancel := limit(ctx, max(q.timeout(), estimateTimeout))
		defer cancel()
		count, err := keyEstimate(ctx, q, n, keyspace, table, flush)
		return answer{count, err}, nil
	})
	estimates := map[string]int64{}
	var all []error
	for i, n := range q.Inventory.Nodes {
		if err := answers[i].err; err != nil {
			all = append(all, fmt.Errorf("estimating keys of %s.%s on %s: %w", keyspace, table, n.Name, err))
			continue
		}
		estimates[n.PublicAddress] = answers[i].count
	}
	return estimates, many.Join(all...)
}

// keyEstimate flushes if asked to, and reads one node's estimate, in one bulk request:
// the agent makes the calls one after the other.
func keyEstimate(ctx context.Context, q Query, n topology.Node, keyspace, table string, flush bool) (int64, error) {
	rel := q.Release
	bean := fmt.Sprintf(rel.EstimateBean, keyspace, table)
	estimate := call{Type: "read", MBean: bean, Attribute: rel.EstimateAttr}
	if rel.EstimateOp != "" {
		estimate = call{Type: "exec", MBean: bean, Operation: rel.EstimateOp}
	}
	calls := []call{estimate}
	if flush {
		flushTable := call{
			Type: "exec", MBean: release.StorageService, Operation: rel.FlushOperation,
			Arguments: []any{keyspace, []string{table}},
		}
		calls = []call{flushTable, estimate}
	}
	a := newAgent(n, q)
	defer a.close()
	replies, err := a.bulk(ctx, calls)
	if err != nil {
		return 0, err
	}
	if flush {
		if err := replies[0].err(); err != nil {
			return 0, fmt.Errorf("flushing: %w", err)
		}
	}
	var count float64
	if err := replies[len(replies)-1].decode(&count); err != nil {
		return 0, err
	}
	return int64(count), nil
}
