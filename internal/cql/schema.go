package cql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"

	"github.com/gocql/gocql"
)

const (
	// agreementTimeout bounds the wait for all nodes to have one schema. A node that a
	// change did not reach, for it was busy or cut off, asks for it a minute later.
	agreementTimeout = 2 * time.Minute
	agreementPoll    = 100 * time.Millisecond
)

// ReplicationError says that a keyspace exists already, with another replication
// than the one asked for. Both are as Cassandra shows them: class (its short
// name) and the factor of each datacenter.
type ReplicationError struct {
	Keyspace  string
	Want, Got map[string]string
}

func (e *ReplicationError) Error() string {
	return fmt.Sprintf("keyspace %s exists with replication %s, not %s", e.Keyspace, literal(e.Got), literal(e.Want))
}

// NoKeyspaceError says that there is no such keyspace.
type NoKeyspaceError struct{ Keyspace string }

func (e *NoKeyspaceError) Error() string { return fmt.Sprintf("no keyspace %s", e.Keyspace) }

// CreateKeyspace makes the keyspace, or finds it there with the same replication,
// and waits until all nodes agree on the schema. The session must have no
// keyspace of its own. Another replication gives a *ReplicationError.
func CreateKeyspace(ctx context.Context, s *gocql.Session, rel release.Release, ks topology.Keyspace) error {
	if len(ks.Replication) == 0 {
		return fmt.Errorf("creating keyspace %s: no replication", ks.Name)
	}
	want := map[string]string{"class": "NetworkTopologyStrategy"}
	for dc, rf := range ks.Replication {
		want[dc] = strconv.Itoa(rf)
	}
	// Creating first and comparing afterwards is the same on every version, and
	// right when two create at once. A timeout too is settled by looking.
	stmt := fmt.Sprintf("CREATE KEYSPACE %s WITH replication = %s", Quote(ks.Name), literal(want))
	createErr := s.Query(stmt).WithContext(ctx).Exec()
	got, err := Replication(ctx, s, rel, ks.Name)
	var none *NoKeyspaceError
	switch {
	case createErr != nil && (err == nil && !existed(createErr) && !equal(got, want)):
		return fmt.Errorf("creating keyspace %s: %w", ks.Name, errors.Join(createErr, &ReplicationError{ks.Name, want, got}))
	case createErr != nil && errors.As(err, &none):
		return fmt.Errorf("creating keyspace %s: %w", ks.Name, createErr)
	case err != nil:
		return fmt.Errorf("creating keyspace %s: %w", ks.Name, err)
	case !equal(got, want):
		return fmt.Errorf("creating keyspace %s: %w", ks.Name, &ReplicationError{ks.Name, want, got})
	}
	return AwaitSchema(ctx, s)
}

// CreateTable makes the table (key bigint PRIMARY KEY, value blob) with the
// release's options, or finds it there, and waits until all nodes agree on the
// schema.
func CreateTable(ctx context.Context, s *gocql.Session, rel release.Release, ks topology.Keyspace) error {
	return createTable(ctx, s, rel, ks, "key bigint PRIMARY KEY, value blob")
}

// CreateLagTable makes the table of numbered rows (part bigint, seq bigint, PRIMARY KEY
// (part, seq)) as CreateTable makes its own.
func CreateLagTable(ctx context.Context, s *gocql.Session, rel release.Release, ks topology.Keyspace) error {
	return createTable(ctx, s, rel, ks, "part bigint, seq bigint, PRIMARY KEY (part, seq)")
}

// TableMaker is one of these.
type TableMaker func(ctx context.Context, s *gocql.Session, rel release.Release, ks topology.Keyspace) error

func createTable(ctx context.Context, s *gocql.Session, rel release.Release, ks topology.Keyspace, columns string) error {
	stmt := fmt.Sprintf("CREATE TABLE %s.%s (%s)", Quote(ks.Name), Quote(ks.Table), columns)
	if rel.TableOptions != "" {
		stmt += " WITH " + rel.TableOptions
	}
	if err := s.Query(stmt).WithContext(ctx).Exec(); err != nil && !existed(err) {
		return fmt.Errorf("creating table %s.%s: %w", ks.Name, ks.Table, err)
	}
	return AwaitSchema(ctx, s)
}

func existed(err error) bool {
	var exists *gocql.RequestErrAlreadyExists
	return errors.As(err, &exists)
}

// Replication reads the replication of a keyspace: class, by its short name, and
// the factor of each datacenter. A keyspace that is not there gives a
// *NoKeyspaceError.
func Replication(ctx context.Context, s *gocql.Session, rel release.Release, keyspace string) (map[string]string, error) {
	got := map[string]string{}
	var err error
	if rel.SystemSchema {
		err = s.Query("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", keyspace).
			WithContext(ctx).Consistency(gocql.One).Scan(&got)
	} else {
		var class, options string
		err = s.Query("SELECT strategy_class, strategy_options FROM system.schema_keyspaces WHERE keyspace_name = ?", keyspace).
			WithContext(ctx).Consistency(gocql.One).Scan(&class, &options)
		if err == nil {
			if err = json.Unmarshal([]byte(options), &got); err == nil {
				got["class"] = class
			}
		}
	}
	if errors.Is(err, gocql.ErrNotFound) {
		return nil, &NoKeyspaceError{keyspace}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the replication of keyspace %s: %w", keyspace, err)
	}
	got["class"] = got["class"][strings.LastIndexByte(got["class"], '.')+1:]
	return got, nil
}

// SchemaError says that the nodes did not come to one schema in time.
type SchemaError struct {
	Versions map[string][]string // schema version → nodes, as one node sees them
}

func (e *SchemaError) Error() string {
	var parts []string
	for v, nodes := range e.Versions {
		sort.Strings(nodes)
		parts = append(parts, fmt.Sprintf("%s on %s", v, strings.Join(nodes, ", ")))
	}
	sort.Strings(parts)
	return fmt.Sprintf("the nodes have not agreed on the schema within %s: %s", agreementTimeout, strings.Join(parts, "; "))
}

// AwaitSchema waits until one node sees all nodes with one schema version, for two
// minutes at most; then it gives a *SchemaError. The driver's own wait ignores
// nodes of which it does not know everything.
func AwaitSchema(ctx context.Context, s *gocql.Session) error {
	ctx, cancel := context.WithTimeout(ctx, agreementTimeout)
	defer cancel()
	var versions map[string][]string
	var lastErr error
	for {
		var err error
		versions, err = schemaVersions(ctx, s)
		if err == nil && len(versions) == 1 {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			lastErr = err
		}
		select {
		case <-ctx.Done():
			if len(versions) > 1 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return &SchemaError{versions}
			}
			return fmt.Errorf("waiting for the nodes to agree on the schema: %w", errors.Join(context.Cause(ctx), lastErr))
		case <-time.After(agreementPoll):
		}
	}
}

// schemaVersions asks a node for its own schema version and its peers'. Both
// answers have to come from one node, or its own version would be missed.
func schemaVersions(ctx context.Context, s *gocql.Session) (map[string][]string, error) {
	const tries = 16 // the session goes round its nodes
	versions := map[string][]string{}
	iter := s.Query("SELECT schema_version FROM system.local WHERE key = 'local'").Consistency(gocql.One).WithContext(ctx).Iter()
	var own gocql.UUID
	if !iter.Scan(&own) {
		if err := iter.Close(); err != nil {
			return nil, fmt.Errorf("reading the schema version: %w", err)
		}
		return nil, errors.New("reading the schema version: system.local has no row")
	}
	asked := iter.Host().ConnectAddress().String()
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("reading the schema version: %w", err)
	}
	versions[own.String()] = []string{asked}
	for range tries {
		iter := s.Query("SELECT peer, schema_version FROM system.peers").Consistency(gocql.One).WithContext(ctx).Iter()
		if host := iter.Host(); host == nil || host.ConnectAddress().String() != asked {
			if err := iter.Close(); err != nil {
				return nil, fmt.Errorf("reading the peers' schema versions: %w", err)
			}
			continue
		}
		var peer string
		var version *gocql.UUID
		for iter.Scan(&peer, &version) {
			v := "unknown"
			if version != nil {
				v = version.String()
			}
			versions[v] = append(versions[v], peer)
			version = nil
		}
		if err := iter.Close(); err != nil {
			return nil, fmt.Errorf("reading the peers' schema versions: %w", err)
		}
		return versions, nil
	}
	return nil, fmt.Errorf("reading the peers' schema versions: %s did not answer again", asked)
}

// Quote makes a CQL identifier that keeps its case.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// literal writes a CQL map, class first and the rest in order.
func literal(m map[string]string) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if (keys[i] == "class") != (keys[j] == "class") {
			return keys[i] == "class"
		}
		return keys[i] < keys[j]
	})
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %s", text(k), text(m[k]))
	}
	return "{" + b.String() + "}"
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}
