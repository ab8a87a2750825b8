package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/compare"
	"crossring/internal/lag"
	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/results"
)

// Samples opens what is to be compared. Each argument is a run, or several, with commas, which
// are rounds of one sample. What was answered in the first time of a phase, warmup long, is left out.
func Samples(ctx context.Context, dir string, args []string, warmup time.Duration) ([]compare.Sample, error) {
	var samples []compare.Sample
	for _, arg := range args {
		s := compare.Sample{}
		for _, ref := range split(dir, arg) {
			r, err := open(ctx, dir, ref, warmup)
			if err != nil {
				return nil, err
			}
			s.Rounds = append(s.Rounds, r)
		}
		s.Label = s.Rounds[0].Name
		for _, r := range s.Rounds[1:] {
			s.Label += "," + r.Name
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// split takes an argument apart at its commas, unless there is a run of that very name.
func split(dir, arg string) []string {
	if _, err := os.Stat(Path(dir, arg)); err == nil || !strings.Contains(arg, ",") {
		return []string{arg}
	}
	return strings.Split(arg, ",")
}

// open is a run directory, or a document that demo, repro, stress or lag has answered with.
func open(ctx context.Context, dir, ref string, warmup time.Duration) (compare.Round, error) {
	path, err := Find(dir, ref)
	if err != nil {
		return compare.Round{}, err
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return document(ctx, path, warmup)
	}
	if kept := filepath.Join(path, LagFile); err == nil {
		if _, err := os.Stat(kept); err == nil {
			r, err := document(ctx, kept, warmup)
			r.Name, r.Path = filepath.Base(path), path
			return r, err
		}
	}
	d, err := results.Open(path)
	if err != nil {
		return compare.Round{}, err
	}
	return Round(ctx, d, warmup)
}

// Round is a run as it is compared: from its raw results, without the warm-up.
func Round(ctx context.Context, d *results.Dir, warmup time.Duration) (compare.Round, error) {
	m := d.Meta
	r := compare.Round{Name: filepath.Base(d.Path), Path: d.Path, Host: m.Host, Series: map[string][]float64{}}
	if !m.Started.IsZero() {
		r.Started = &m.Started
	}
	r.Busy = m.Host != nil && m.Host.Load.IsBusy()
	set := setter(&r)
	set(compare.KeyCluster, m.Cluster)
	set("cassandra_version", m.CassandraVersion)
	set("crossring", m.Crossring)
	if m.Host != nil {
		set(compare.KeyComputer, fmt.Sprintf("%s, %d processors", m.Host.Name, m.Host.CPUs))
	}
	set("nodes", nodes(m.Nodes))
	set("replication", replication(m.Keyspace.Replication))
	set(compare.KeyValueBytes, strconv.Itoa(m.Stress.ValueBytes))
	connections := m.Stress.Connections
	if connections == "" {
		connections = "shared"
	}
	set("connections", connections)
	set("tls_version", m.Stress.TLSVersion)
	set("ciphers", strings.Join(m.Stress.Ciphers, ","))
	if m.Stress.TLSResume {
		set("tls_resume", "true")
	}
	for _, op := range []string{record.OpWrite, record.OpRead} {
		if !d.Has(op) {
			continue
		}
		f, err := d.Figures(ctx, op, warmup)
		if err != nil {
			return r, err
		}
		frame(set, f.Frame, f.After)
		for name, x := range f.Series {
			r.Series[op+"."+name] = x
		}
		var bytes []float64
		for _, v := range f.Series["rate"] {
			bytes = append(bytes, v*float64(m.Stress.ValueBytes))
		}
		if len(bytes) > 0 {
			r.Series[op+".bytes_per_second"] = bytes
		}
	}
	if len(r.Series) == 0 {
		return r, fmt.Errorf("run %s has no results: %w", d.Path, fs.ErrNotExist)
	}
	return r, nil
}

func setter(r *compare.Round) func(key, value string) {
	return func(key, value string) {
		if value != "" {
			r.Settings = append(r.Settings, compare.Setting{Key: key, Value: value})
		}
	}
}

// frame sets what a phase was asked for.
func frame(set func(key, value string), f results.Frame, after results.After) {
	of := func(key, value string) { set(f.Op+"_"+key, value) }
	of("datacenter", f.Datacenter)
	of("consistency", f.Consistency)
	of(compare.KeyRows, strconv.FormatInt(f.RowsAsked, 10))
	of("in_flight", strconv.Itoa(f.InFlight))
	of(compare.KeyRate, strconv.FormatFloat(f.Rate, 'g', -1, 64))
	if after.ReadAfter != nil {
		of(compare.KeyReadAfter, strconv.FormatFloat(after.ReadAfter.Asked, 'g', -1, 64))
	}
}

func nodes(all []topology.Node) string {
	n := map[string]int{}
	for _, node := range all {
		n[node.Datacenter]++
	}
	return replication(n)
}

// replication is numbers by datacenter, in words.
func replication(n map[string]int) string {
	var parts []string
	for _, dc := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s %d", dc, n[dc]))
	}
	return strings.Join(parts, ", ")
}

// NoRunError says that a file is not what can be compared.
type NoRunError struct{ Path, Why string }

func (e *NoRunError) Error() string { return fmt.Sprintf("%s is no run: %s", e.Path, e.Why) }

// document is a round of what a command has answered with. Where the raw results of it are at
// hand they are what counts.
func document(ctx context.Context, path string, warmup time.Duration) (compare.Round, error) {
	r := compare.Round{Name: strings.TrimSuffix(filepath.Base(path), ".json"), Path: path, Series: map[string][]float64{}}
	data, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("opening a run: %w", err)
	}
	var doc struct {
		Schema  string             `json:"schema"`
		Cluster string             `json:"cluster"`
		Version string             `json:"cassandra_version"`
		RunDir  string             `json:"run_dir"`
		Value   int                `json:"value_bytes"`
		Started *time.Time         `json:"started"`
		Host    *topology.Computer `json:"host"`
		Write   *results.WriteSummary
		Read    *results.ReadSummary
		Clock   *string `json:"clock"` // of lag alone
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return r, &NoRunError{path, err.Error()}
	}
	if doc.Schema != topology.Schema {
		return r, &NoRunError{path, fmt.Sprintf("its schema is %q, not %q", doc.Schema, topology.Schema)}
	}
	if doc.Clock != nil {
		return lagRound(r, data, warmup)
	}
	if d, err := results.Open(doc.RunDir); doc.RunDir != "" && err == nil {
		return Round(ctx, d, warmup)
	} else if doc.RunDir != "" && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if doc.Write == nil && doc.Read == nil {
		return r, &NoRunError{path, "it has neither a write nor a read"}
	}
	if warmup > 0 {
		return r, &NoRunError{path, "only its sums are left, and a warm-up can't be taken out of them"}
	}
	r.Started, r.Host = doc.Started, doc.Host
	r.Busy = doc.Host != nil && doc.Host.Load.IsBusy()
	set := setter(&r)
	set(compare.KeyCluster, doc.Cluster)
	set("cassandra_version", doc.Version)
	if doc.Value > 0 {
		set(compare.KeyValueBytes, strconv.Itoa(doc.Value))
	}
	if doc.Write != nil {
		whole(&r, set, doc.Write.Frame, results.After{})
	}
	if doc.Read != nil {
		whole(&r, set, doc.Read.Frame, doc.Read.After)
	}
	return r, nil
}

// whole has the figures of a phase of which only the sums are left.
func whole(r *compare.Round, set func(key, value string), f results.Frame, after results.After) {
	frame(set, f, after)
	put := func(prefix string, p results.Percentiles) {
		for name, v := range map[string]float64{"p50": p.P50, "p95": p.P95, "p99": p.P99, "p999": p.P999, "max": p.Max} {
			r.Series[f.Op+"."+prefix+name] = []float64{v}
		}
	}
	r.Series[f.Op+".rate"] = []float64{f.OpsPerSec}
	if f.ClientCPUMicros > 0 {
		r.Series[f.Op+".client_cpu_us_per_op"] = []float64{f.ClientCPUMicros}
	}
	put("", f.Latency)
	if f.Response != nil {
		put("response.", *f.Response)
	}
}

// lagRound is a measurement of lag, second by second of each pair of datacenters, by the upper
// bounds.
func lagRound(r compare.Round, data []byte, warmup time.Duration) (compare.Round, error) {
	var res lag.Result
	if err := json.Unmarshal(data, &res); err != nil {
		return r, &NoRunError{r.Path, err.Error()}
	}
	set := setter(&r)
	set(compare.KeyCluster, res.Cluster)
	set("cassandra_version", res.Version)
	set("write_consistency", res.WriteConsistency)
	set("read_consistency", res.ReadConsistency)
	set("lag_clock", res.Clock)
	set("lag_rate", strconv.FormatFloat(res.RateAsked, 'g', -1, 64))
	for _, p := range res.Pairs {
		name := "lag." + p.From + ":" + p.To + "."
		for _, s := range p.Seconds {
			if time.Duration(s.T)*time.Second < warmup {
				continue
			}
			for last, v := range map[string]*float64{"p50": s.P50, "p99": s.P99} {
				if v != nil {
					r.Series[name+last] = append(r.Series[name+last], *v)
				}
			}
		}
		for last, v := range map[string]*float64{"p999": p.Lag.High.P999, "max": p.Lag.High.Max} {
			if v != nil && warmup == 0 { // these are of the whole
				r.Series[name+last] = []float64{*v}
			}
		}
	}
	if len(r.Series) == 0 {
		return r, &NoRunError{r.Path, "no row of it was seen"}
	}
	return r, nil
}
