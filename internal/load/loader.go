package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/stress"
	"crossring/stress/record"
)

// LoaderCommand is the hidden command that makes the program a loader.
const LoaderCommand = "loader"

// loaderConfig is what a loader is told on standard input, as one line of JSON.
// With Acks a stream of acknowledgements follows it; then there may be lines of
// loaderIdentity.
type loaderConfig struct {
	Schema                 string            `json:"schema"`
	Op                     string            `json:"op"`
	Version                string            `json:"cassandra_version"`
	Datacenter             string            `json:"datacenter"`
	Addresses              []string          `json:"addresses"` // private
	Broadcast              map[string]string `json:"broadcast"` // by private address
	Port                   int               `json:"port"`
	Keyspace               string            `json:"keyspace"`
	Table                  string            `json:"table"`
	RunID                  uint64            `json:"run_id,string"`
	Keys                   record.Keys       `json:"keys"`
	Parts                  int               `json:"parts"`       // loaders of the phase
	RowsInAll              int64             `json:"rows_in_all"` // theirs together
	ValueBytes             int               `json:"value_bytes"`
	InFlight               int               `json:"in_flight"`
	Rate                   float64           `json:"rate"`
	Consistency            string            `json:"consistency"`
	MissingDeadlineSeconds float64           `json:"missing_deadline_seconds"`
	Acks                   bool              `json:"acks"`
	// TLSTrust and TLSIdentity are PEM: the CA, and key and chain of the client. They
	// are held in memory. Empty is plain text.
	TLSTrust    string `json:"tls_trust,omitempty"`
	TLSIdentity string `json:"tls_identity,omitempty"`
	// Lag is a part of a measurement of lag, instead of a phase.
	Lag *lagWork `json:"lag,omitempty"`
	// Load has how connections are made; of it nothing else counts.
	Load topology.Stress `json:"load"`
}

// loaderProgress is a line that a loader writes to standard error.
type loaderProgress struct {
	Done    int64 `json:"done"`
	Missing int64 `json:"missing"`
	Bad     int64 `json:"bad"`
}

// Loader runs one phase, or a part of one, as it is told on in: raw results go to
// out, and its progress to progress.
func Loader(ctx context.Context, in io.Reader, out, progress io.Writer) error {
	r := bufio.NewReader(in)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	var lc loaderConfig
	if err := json.Unmarshal(line, &lc); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	if lc.Schema != topology.Schema {
		return fmt.Errorf("reading what to do: schema %q is not %s", lc.Schema, topology.Schema)
	}
	rel, err := release.Of(lc.Version)
	if err != nil {
		return err
	}
	cfg := stress.Config{
		Op: lc.Op,
		Endpoint: cql.Endpoint{
			Addresses: lc.Addresses, Broadcast: lc.Broadcast, Port: lc.Port, Datacenter: lc.Datacenter, Release: rel,
		},
		Keyspace: lc.Keyspace, Table: lc.Table, RunID: lc.RunID, Keys: lc.Keys, Parts: lc.Parts, RowsInAll: lc.RowsInAll,
		ValueBytes: lc.ValueBytes, InFlight: lc.InFlight, Rate: lc.Rate, Consistency: lc.Consistency,
		MissingDeadline: time.Duration(lc.MissingDeadlineSeconds * float64(time.Second)),
	}
	if lc.TLSTrust != "" {
		if cfg.Endpoint.TLS, err = cluster.ClientConfig([]byte(lc.TLSTrust), []byte(lc.TLSIdentity)); err != nil {
			return err
		}
	}
	if cfg.Endpoint.TLS, err = loadTLS(cfg.Endpoint.TLS, lc.Load); err != nil {
		return err
	}
	if cfg.Policy, err = stress.ParsePolicy(lc.Load.Connections); err != nil {
		return err
	}
	if lc.Acks {
		if cfg.Acks, err = record.ReadAcks(r); err != nil {
			return err
		}
	}
	if cfg.Endpoint.TLS != nil {
		told := &toldTLS{}
		cfg.Endpoint.Fresh = told.Fresh
		go told.listen(r) // to the end of the input, or of the process
	}
	if lc.Lag != nil {
		return loadLag(ctx, *lc.Lag, cfg.Endpoint, lc.Keyspace, lc.Table, out)
	}
	enc := json.NewEncoder(progress)
	return stress.Run(ctx, cfg, out, func(p stress.Progress) {
		_ = enc.Encode(loaderProgress{Done: p.Done, Missing: p.Missing, Bad: p.Bad}) // for eyes only
	})
}
