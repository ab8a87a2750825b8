package cql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/release"

	"github.com/gocql/gocql"
)

// Factors is the replication of a keyspace that people made.
type Factors struct {
	Keyspace string
	Class    string // short name of the strategy
	// ByDatacenter has the replicas of each datacenter; "" is a strategy that knows no
	// datacenters, and counts over the whole ring.
	ByDatacenter map[string]int
}

// Keyspaces lists the keyspaces that are not Cassandra's own, by name. The session
// must have no keyspace of its own.
func Keyspaces(ctx context.Context, s *gocql.Session, rel release.Release) ([]Factors, error) {
	table := "system.schema_keyspaces"
	if rel.SystemSchema {
		table = "system_schema.keyspaces"
	}
	iter := s.Query("SELECT keyspace_name FROM " + table).WithContext(ctx).Consistency(gocql.One).Iter()
	var names []string
	for name := ""; iter.Scan(&name); {
		if name != "system" && !strings.HasPrefix(name, "system_") {
			names = append(names, name)
		}
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("listing keyspaces: %w", err)
	}
	slices.Sort(names)
	var list []Factors
	for _, name := range names {
		options, err := Replication(ctx, s, rel, name)
		if err != nil {
			return nil, err
		}
		list = append(list, factors(name, options))
	}
	return list, nil
}

// factors reads the options of a keyspace's strategy. A factor may say how many of
// its replicas are transient: "3/1".
func factors(name string, options map[string]string) Factors {
	f := Factors{Keyspace: name, Class: options["class"], ByDatacenter: map[string]int{}}
	for key, value := range options {
		count, _, _ := strings.Cut(value, "/")
		n, err := strconv.Atoi(count)
		switch {
		case err != nil: // the class, or an option of another strategy
		case key == "replication_factor":
			f.ByDatacenter[""] = n
		default:
			f.ByDatacenter[key] = n
		}
	}
	return f
}

// Tables lists the tables of a keyspace, by name; none where there is no such keyspace. The
// session must have no keyspace of its own.
func Tables(ctx context.Context, s *gocql.Session, rel release.Release, keyspace string) ([]string, error) {
	column, table := "columnfamily_name", "system.schema_columnfamilies"
	if rel.SystemSchema {
		column, table = "table_name", "system_schema.tables"
	}
	iter := s.Query("SELECT "+column+" FROM "+table+" WHERE keyspace_name = ?", keyspace).WithContext(ctx).Consistency(gocql.One).Iter()
	var names []string
	for name := ""; iter.Scan(&name); {
		names = append(names, name)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("listing the tables of keyspace %s: %w", keyspace, err)
	}
	slices.Sort(names)
	return names, nil
}

// DropKeyspace takes a keyspace away, with all that is in it, and waits until all nodes
// agree on the schema.
func DropKeyspace(ctx context.Context, s *gocql.Session, keyspace string) error {
	if err := s.Query("DROP KEYSPACE " + Quote(keyspace)).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("dropping keyspace %s: %w", keyspace, err)
	}
	return AwaitSchema(ctx, s)
}
