package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/stress"
	"crossring/stress/record"
	"crossring/stress/results"
)

// loaders are the machines of a datacenter that load it, and what each does.
type loaders struct {
	nodes []topology.Node
	keys  []record.Keys
}

// loaders chooses those of a phase: the first nodes of its datacenter.
func (r *repro) loaders(op string, keys record.Keys) loaders {
	nodes := r.Inv.InDatacenter(r.datacenter(op))
	nodes = nodes[:min(len(nodes), max(1, r.perDC))]
	parts := keys.Split(len(nodes))
	return loaders{nodes: nodes[:len(parts)], keys: parts}
}

// datacenter is where a phase happens.
func (r *repro) datacenter(op string) string {
	if op == record.OpRead {
		return r.settings.ReadDC
	}
	return r.settings.WriteDC
}

// sayLoaders says which of the loaders that were asked for there will not be.
func (r *repro) sayLoaders(ops ...string) {
	if !r.Remote() {
		if r.perDC > 0 || r.LoaderExe != "" {
			r.Say("--loaders and --loader-binary are for clusters on machines of their own: %s is loaded from here", r.Inv.Plan.Name)
		}
		return
	}
	said := map[string]bool{}
	for _, op := range ops {
		dc := r.datacenter(op)
		if n := len(r.Inv.InDatacenter(dc)); n < r.perDC && !said[dc] {
			said[dc] = true
			r.Say("--loaders %d: %s has %s, and is loaded from there", r.perDC, dc, plain.Count(n, "machine"))
		}
	}
}

// byLoaders runs a phase on machines in its region: each gets this program, a part
// of the keys, and a share of the load, and sends raw results back.
func (r *repro) byLoaders(ctx context.Context, op string, cfg stress.Config) (results.Summary, error) {
	none := results.Summary{}
	l := r.loaders(op, cfg.Keys)
	exe, err := r.loaderProgram(ctx, l.nodes)
	if err != nil {
		return none, err
	}
	var parts []record.AcksPart
	shifts := make([]time.Duration, len(l.nodes))
	if op == record.OpRead {
		if parts, shifts, err = r.acks(ctx, l.nodes); err != nil {
			return none, err
		}
	}
	trust, identity, err := r.TLSFiles()
	if err != nil {
		return none, err
	}
	g, err := r.dir.Begin(op)
	if err != nil {
		return none, err
	}
	sum := &progressSum{of: make([]loaderProgress, len(l.nodes)), rows: r.settings.Rows, op: op, tell: r.progress}
	at := map[string]int{}
	for i, n := range l.nodes {
		at[n.Name] = i
	}
	err = cluster.OnEach(l.nodes, func(n topology.Node) error {
		i := at[n.Name]
		lc := loaderConfig{
			Schema: topology.Schema, Op: op, Version: r.Rel.Version, Datacenter: n.Datacenter,
			Addresses: cfg.Endpoint.Addresses, Broadcast: cfg.Endpoint.Broadcast, Port: cfg.Endpoint.Port,
			Keyspace: cfg.Keyspace, Table: cfg.Table, RunID: r.dir.Meta.RunID,
			Keys: l.keys[i], Parts: len(l.nodes), RowsInAll: cfg.Keys.Count(), ValueBytes: cfg.ValueBytes,
			InFlight: max(1, int(math.Ceil(float64(cfg.InFlight)/float64(len(l.nodes))))), Rate: cfg.Rate / float64(len(l.nodes)),
			Consistency: cfg.Consistency, MissingDeadlineSeconds: cfg.MissingDeadline.Seconds(), Acks: len(parts) > 0,
			TLSTrust: string(trust), TLSIdentity: string(identity), Load: r.settings,
		}
		var in bytes.Buffer
		if err := json.NewEncoder(&in).Encode(lc); err != nil {
			return fmt.Errorf("telling a loader what to do: %w", err)
		}
		if lc.Acks {
			shifted := make([]record.AcksPart, len(parts))
			for k, p := range parts {
				shifted[k] = record.AcksPart{Acks: p.Acks, Shift: p.Shift + shifts[i]}
			}
			if err := record.WriteAcks(&in, l.keys[i], shifted...); err != nil {
				return err
			}
		}
		return r.load(ctx, n, g, exe[i], &in, loaderIdentity{lc.TLSTrust, lc.TLSIdentity}, func(p loaderProgress) { sum.set(i, p) })
	})
	err = errors.Join(err, g.Close())
	s, refreshErr := r.dir.Refresh(context.WithoutCancel(ctx))
	err = errors.Join(err, refreshErr)
	if s.Write != nil && op == record.OpWrite {
		err = errors.Join(err, s.Write.Check())
	}
	if s.Read != nil && op == record.OpRead {
		err = errors.Join(err, s.Read.Check())
	}
	return s, err
}

// load runs one loader to its end. What the cluster's certificates are replaced by
// meanwhile, it is told.
func (r *repro) load(ctx context.Context, n topology.Node, g *results.Generation, exe string, in io.Reader, first loaderIdentity, tell func(loaderProgress)) error {
	m, err := r.Machine(n)
	if err != nil {
		return err
	}
	if first.TLSTrust != "" {
		later, told := io.Pipe()
		defer later.Close()
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go identities(watching, r.Cluster, first, told)
		in = io.MultiReader(in, later)
	}
	raw, out := io.Pipe()
	added := make(chan error, 1)
	go func() {
		err := g.Add(n.Name, raw)
		raw.CloseWithError(cmp.Or(err, io.ErrClosedPipe))
		added <- err
	}()
	said := &loaderWords{tell: tell}
	_, err = m.Run(ctx, sshhost.Command{
		Name: "the loader", Line: "exec " + sshhost.Quote(exe) + " " + LoaderCommand, In: in, Out: out, Err: said,
	})
	out.Close()
	err = errors.Join(err, <-added)
	if text := said.text(); text != "" && err != nil {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// loaderProgram sees that each loader's machine has this program, and gives its
// path there.
func (r *repro) loaderProgram(ctx context.Context, nodes []topology.Node) ([]string, error) {
	all, err := places.ReadPrepared(r.Cluster.Dir)
	if err != nil {
		return nil, err
	}
	local := r.Exe
	for _, n := range nodes {
		arch := all[n.Name].Facts.Arch
		if r.LoaderExe == "" && (runtime.GOOS != "linux" || arch != runtime.GOARCH) {
			return nil, fail.Prerequisite("", fmt.Errorf("this program is for %s/%s, and the machine of %s is linux/%s", runtime.GOOS, runtime.GOARCH, n.Name, arch),
				fmt.Sprintf("CGO_ENABLED=0 GOOS=linux GOARCH=%s go build -o crossring-%s . && crossring %s %s --loader-binary crossring-%s", arch, arch, r.verb, r.Inv.Plan.Name, arch))
		}
	}
	if r.LoaderExe != "" {
		local = r.LoaderExe
	}
	paths := make([]string, len(nodes))
	for i, n := range nodes {
		paths[i] = path.Join(prepare.StateDir(n), "crossring")
	}
	return paths, cluster.OnEach(nodes, func(n topology.Node) error {
		m, err := r.Machine(n)
		if err != nil {
			return err
		}
		return m.Upload(ctx, local, path.Join(prepare.StateDir(n), "crossring"), 0o755, nil)
	})
}

// acks loads what became of the writes, loader by loader. The clocks of two
// machines differ, so each was asked for its time, and the shifts make the
// writers' times the operator's, and those the readers'.
func (r *repro) acks(ctx context.Context, readers []topology.Node) (parts []record.AcksPart, shifts []time.Duration, err error) {
	shifts = make([]time.Duration, len(readers))
	results, err := r.dir.Files(record.OpWrite)
	if err != nil {
		return nil, nil, err
	}
	var worst time.Duration
	offset := func(n topology.Node) (time.Duration, error) {
		m, err := r.Machine(n)
		if err != nil {
			return 0, err
		}
		off, margin, err := cluster.ClockOffset(ctx, m, r.Now)
		worst = max(worst, margin)
		return off, err
	}
	for _, from := range results {
		p := record.AcksPart{}
		if n, err := r.Inv.Node(from.Loader); err == nil {
			off, err := offset(n)
			if err != nil {
				return nil, nil, err
			}
			p.Shift = -off
		}
		f, err := os.Open(from.Path)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the results of the write: %w", err)
		}
		p.Acks, err = record.LoadAcks(f)
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("reading the results of the write in %s: %w", from.Path, err)
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, shifts, nil
	}
	for i, n := range readers {
		if shifts[i], err = offset(n); err != nil {
			return nil, nil, err
		}
	}
	r.Say("the loaders' clocks were compared; lags are right to %.1f ms", 2*float64(worst.Microseconds())/1000)
	return parts, shifts, nil
}

// loaderWords takes a loader's standard error apart: progress, and what else it says.
type loaderWords struct {
	tell func(loaderProgress)
	part []byte
	said []string
}

func (w *loaderWords) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.part = rest
		var lp loaderProgress
		if err := json.Unmarshal(line, &lp); err == nil {
			w.tell(lp)
		} else if text := strings.TrimSpace(string(line)); text != "" {
			w.said = append(w.said, text)
		}
	}
}

func (w *loaderWords) text() string {
	return strings.TrimSpace(strings.Join(w.said, "; ") + " " + string(w.part))
}

// progressSum adds up the progress of several loaders.
type progressSum struct {
	mu   sync.Mutex
	of   []loaderProgress
	rows int64
	op   string
	tell func(stress.Progress)
}

func (s *progressSum) set(i int, p loaderProgress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[i] = p
	total := stress.Progress{Op: s.op, Rows: s.rows}
	for _, p := range s.of {
		total.Done += p.Done
		total.Missing += p.Missing
		total.Bad += p.Bad
	}
	s.tell(total)
}
