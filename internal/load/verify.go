package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/topology"
	"crossring/internal/verify"
	"crossring/internal/verify/live"
	"crossring/stress"
	"crossring/stress/record"
	"crossring/stress/results"
	"crossring/tokens"
)

// VerifyRequest says which run, and how its rows are read.
type VerifyRequest struct {
	Run        string // directory, or its name below the state directory
	Level      string // consistency level
	Datacenter string // to read in; "" is where the run read
	// Deadline is how long a missing row is asked for again; nil is the run's.
	Deadline *time.Duration
}

// Verify reads again all rows that a run has on record as acknowledged, and asks the replicas
// of those that are not found. It changes nothing of the run.
func Verify(ctx context.Context, w cluster.World, req VerifyRequest) (verify.Result, error) {
	res := verify.Result{Schema: topology.Schema, Where: []verify.Row{}}
	path, err := FindRun(w, req.Run)
	if err != nil {
		return res, err
	}
	dir, err := results.Open(path)
	if err != nil {
		return res, fail.Usage("", err, w.Command("runs"))
	}
	res.RunDir, res.Cluster = dir.Path, dir.Meta.Cluster
	if err := cluster.CheckName(res.Cluster); err != nil {
		return res, err
	}
	c, err := w.Open(res.Cluster)
	if err != nil {
		return res, err
	}
	settings, err := verifySettings(c, dir, req)
	if err != nil {
		return res, err
	}
	lock, err := lockLoad(w, res.Cluster, "verify")
	if err != nil {
		return res, err
	}
	defer lock.free()
	free, err := lockRun(dir.Path)
	if err != nil {
		return res, err
	}
	defer free()
	since := w.Now()
	err = verifyRows(ctx, w, c, dir, settings, &res)
	res.Faults = faultsSince(w, c, since)
	switch problem := res.Problem(); {
	case err != nil:
		return res, c.BecauseFull(err)
	case ctx.Err() != nil && res.Unread > 0:
		return res, fmt.Errorf("verify was cut short after %d of %d rows: %w", res.Rows, res.Rows+res.Unread, context.Cause(ctx))
	case problem != "":
		return res, fail.Data("", errors.New(problem), plain.Command("crossring", "verify", res.RunDir, "--level", res.Consistency, "-o", "json"))
	}
	return res, nil
}

// verifySettings are those of the run's read, as far as the request leaves them, held against
// the cluster as it is now.
func verifySettings(c cluster.Cluster, dir *results.Dir, req VerifyRequest) (topology.Stress, error) {
	s := dir.Meta.Stress
	s.ReadCL, s.Rate, s.Connections = req.Level, 0, ""
	if req.Datacenter != "" {
		s.ReadDC = req.Datacenter
	}
	if req.Deadline != nil {
		s.MissingDeadlineSeconds = req.Deadline.Seconds()
	}
	flags := map[string]string{"read_consistency": "--level", "read_datacenter": "--dc", "missing_deadline": "--deadline"}
	var all *multierror.Error
	for _, problem := range plan.CheckLoad(c.Inv.Plan, s) {
		if flag := flags[problem.Key]; flag != "" { // of the rest the run was held against when it was made
			all = multierror.Append(all, fmt.Errorf("%s: %s", flag, problem.Message))
		}
	}
	if all.ErrorOrNil() != nil {
		all.ErrorFormat = lines
		return s, fail.Usage("", all, "crossring help verify")
	}
	return s, nil
}

// acknowledged are the keys that a run has on record as acknowledged.
func acknowledged(ctx context.Context, dir *results.Dir, res *verify.Result) (record.Keys, error) {
	acks, err := dir.Acks(ctx)
	if err != nil {
		return nil, fail.Usage("", err, "crossring runs")
	}
	sum, err := dir.Summary(ctx)
	if err != nil {
		return nil, err
	}
	keys := acks.Acknowledged()
	res.Damaged = sum.Write.Damaged
	if n := keys.Count(); n != sum.Write.Acknowledged {
		return nil, fmt.Errorf("run %s has %d acknowledged rows on record by one count and %d by another", dir.Path, n, sum.Write.Acknowledged)
	}
	return keys, nil
}

func verifyRows(ctx context.Context, w cluster.World, c cluster.Cluster, dir *results.Dir, s topology.Stress, res *verify.Result) error {
	res.Datacenter, res.Consistency = s.ReadDC, s.ReadCL
	keys, err := acknowledged(ctx, dir, res)
	if err != nil || len(keys) == 0 {
		return err // of no row nothing is missing
	}
	cfg, err := phase(w, c, s, record.OpRead)
	if err != nil {
		return err
	}
	cfg.Op, cfg.RunID, cfg.Keys = record.OpRead, dir.Meta.RunID, keys
	cfg.Keyspace, cfg.Table = dir.Meta.Keyspace.Name, dir.Meta.Keyspace.Table
	var bad verify.Bad
	if err := w.Stage("read", func() error { return readAgain(ctx, w, cfg, &bad, res) }); err != nil {
		return err
	}
	res.Unread = keys.Count() - res.Rows
	res.Where = bad.Rows()
	if len(res.Where) == 0 || ctx.Err() != nil {
		return nil
	}
	return w.Stage("replicas", func() error { return locate(ctx, w, c, dir.Meta, res.Where) })
}

// readAgain reads all rows. The raw results are folded as they come and not kept: the run stays
// what it was.
func readAgain(ctx context.Context, w cluster.World, cfg stress.Config, bad *verify.Bad, res *verify.Result) error {
	from, to := io.Pipe()
	var read results.ReadSummary
	var foldErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		read, foldErr = results.Fates(from, func(key int64, f results.Fate) {
			switch f {
			case results.FateLost:
				res.Lost++
				bad.Add(key, verify.Lost)
			case results.FateWrong:
				res.Wrong++
				bad.Add(key, verify.Wrong)
			case results.FateFailed:
				res.Failed++
				bad.Add(key, verify.Failed)
			default:
				res.Found++
			}
			res.Rows++
		})
		from.CloseWithError(foldErr)
	}()
	err := stress.Run(ctx, cfg, to, func(p stress.Progress) { progress(w, p) })
	to.CloseWithError(err)
	<-done
	res.FoundLater = read.FoundLater
	if err != nil {
		return err
	}
	return foldErr
}

// locate asks the replicas of rows, by tokens and replication, what each has by itself.
func locate(ctx context.Context, w cluster.World, c cluster.Cluster, m results.Meta, rows []verify.Row) error {
	holders, partitioner, err := holdersOf(c.Inv)
	if err != nil {
		w.Say("warning: on which replicas rows are is not known: %v", err)
		return nil
	}
	at := map[int64]int{}
	asked := map[string][]int64{}
	for i, row := range rows {
		token, err := tokens.Of(partitioner, binary.BigEndian.AppendUint64(nil, uint64(row.Key)))
		if err != nil {
			return err
		}
		at[row.Key] = i
		rows[i].Replicas = map[string]string{}
		for _, n := range holders.Of(token) {
			name := c.Inv.Nodes[n].Name
			asked[name] = append(asked[name], row.Key)
		}
	}
	var mu sync.Mutex
	right := func(key int64, value []byte) bool {
		return record.Check(value, m.RunID, key, m.Stress.ValueBytes) == record.ValueOK
	}
	return many.Each(ctx, c.Inv.Nodes, nodesAtOnce, func(ctx context.Context, n topology.Node) error {
		if len(asked[n.Name]) == 0 {
			return nil
		}
		e, err := cluster.Endpoint(w, c, []topology.Node{n})
		if err != nil {
			return err
		}
		node := live.Node{Endpoint: e, Addresses: []string{n.PrivateAddress, n.PublicAddress}, Keyspace: m.Keyspace.Name, Table: m.Keyspace.Table}
		live.Look(ctx, node, asked[n.Name], right, func(key int64, has string) {
			mu.Lock()
			defer mu.Unlock()
			rows[at[key]].Replicas[n.PublicAddress] = has
		})
		return nil
	})
}

// nodesAtOnce are asked for their rows at a time.
const nodesAtOnce = 8

// holdersOf are the replicas of the test's keyspace, by the tokens of the nodes that there are.
func holdersOf(inv topology.Inventory) (*tokens.Holders, tokens.Partitioner, error) {
	p, err := tokens.ParsePartitioner(inv.Plan.Partitioner)
	if err != nil {
		return nil, p, err
	}
	nodes := make([]tokens.Node, len(inv.Nodes))
	for i, n := range inv.Nodes {
		nodes[i] = tokens.Node{Datacenter: n.Datacenter, Rack: n.Rack}
		for _, text := range n.Tokens {
			t, ok := new(big.Int).SetString(text, 10)
			if !ok {
				return nil, p, fmt.Errorf("node %s: %q is no token", n.Name, text)
			}
			nodes[i].Tokens = append(nodes[i].Tokens, t)
		}
	}
	h, err := tokens.NewHolders(p, nodes, inv.Plan.Keyspace.Replication)
	return h, p, err
}
