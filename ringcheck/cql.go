package ringcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/gocql/gocql"

	"crossring/internal/cql"
	"crossring/internal/topology"
	"crossring/tokens"
)

// askCQL gets one node's view from its system tables. They tell less than JMX: of
// the other nodes' liveness only what gossip and pending hints say, from 4.1 on,
// and of loads only what gossip says.
func askCQL(ctx context.Context, q Query, n topology.Node, _ []string) (View, error) {
	dialled := n.PrivateAddress
	if a, ok := q.Translate[dialled]; ok {
		dialled = a
	}
	e := cql.Endpoint{
		Addresses: []string{dialled}, Port: n.Ports.Native, Release: q.Release, NumConns: 1,
		Timeout: q.timeout(), ConnectTimeout: q.timeout(), TLS: q.TLS,
	}
	e.Release.NoHostLookup = true // this node alone, whatever it knows of others
	s, err := cql.Open(ctx, e)
	if err != nil {
		return View{}, err
	}
	defer s.Close()
	v := View{}
	if err := readLocal(ctx, s, q, n, &v); err != nil {
		return View{}, fmt.Errorf("reading system.local of %s: %w", n.Name, err)
	}
	if err := readPeers(ctx, s, q, &v); err != nil {
		return View{}, fmt.Errorf("reading peers of %s: %w", n.Name, err)
	}
	if q.Release.VirtualTables {
		if err := readGossip(ctx, s, q, &v); err != nil {
			return View{}, fmt.Errorf("reading gossip of %s: %w", n.Name, err)
		}
	}
	if q.Keyspace != "" {
		v.OwnershipErr = readOwnership(ctx, s, q, &v)
	}
	return v, nil
}

func query(ctx context.Context, s *gocql.Session, stmt string, args ...any) *gocql.Query {
	return s.Query(stmt, args...).WithContext(ctx).Consistency(gocql.One)
}

// readLocal reads what the node says of itself. 1.2 does not say its address.
func readLocal(ctx context.Context, s *gocql.Session, q Query, n topology.Node, v *View) error {
	var p Peer
	var host, schema gocql.UUID
	var partitioner, bootstrapped string
	columns := "cluster_name, partitioner, release_version, schema_version, host_id, data_center, rack, bootstrapped, tokens"
	dest := []any{&v.Cluster, &partitioner, &v.ReleaseVersion, &schema, &host, &p.Datacenter, &p.Rack, &bootstrapped, &p.Tokens}
	if !q.Release.NoHostLookup {
		columns += ", broadcast_address"
		dest = append(dest, &v.Self)
	}
	if err := query(ctx, s, "SELECT "+columns+" FROM system.local WHERE key = 'local'").Scan(dest...); err != nil {
		return err
	}
	v.Partitioner = shortClass(partitioner)
	v.SchemaVersion = schema.String()
	p.HostID = host.String()
	p.Status, p.State = Up, Normal
	p.Tokens = sortTokens(p.Tokens)
	v.Mode = "NORMAL"
	if bootstrapped != "COMPLETED" {
		v.Mode, p.State = "JOINING", Joining
	}
	self := v.Self
	if self == "" {
		self = n.PublicAddress
	}
	v.Self = address(self)
	v.change(self, func(old *Peer) { *old = p })
	return nil
}

// readPeers reads what the node knows of the others.
func readPeers(ctx context.Context, s *gocql.Session, q Query, v *View) error {
	table := "system.peers"
	if q.Release.PeersV2 {
		table = "system.peers_v2"
	}
	iter := query(ctx, s, "SELECT peer, host_id, data_center, rack, tokens FROM "+table).Iter()
	var addr string
	var host gocql.UUID
	var p Peer
	for iter.Scan(&addr, &host, &p.Datacenter, &p.Rack, &p.Tokens) {
		p.State, p.HostID, p.Tokens = Normal, host.String(), sortTokens(p.Tokens)
		v.change(addr, func(old *Peer) { *old = p })
		p, host = Peer{}, gocql.UUID{}
	}
	return iter.Close()
}

// readGossip adds state, load, and what tells that a node is down: that it said so
// itself, or that there are hints for it and it is not alive.
func readGossip(ctx context.Context, s *gocql.Session, q Query, v *View) error {
	iter := query(ctx, s, "SELECT address, status, status_with_port, load FROM system_views.gossip_info").Iter()
	var addr, status, statusPort, load string
	for iter.Scan(&addr, &status, &statusPort, &load) {
		if statusPort != "" {
			status = statusPort
		}
		addr = address(addr)
		if _, known := v.Peers[addr]; !known {
			continue
		}
		v.change(addr, func(p *Peer) { applyGossip(p, status) })
		bytes, err := strconv.ParseFloat(load, 64)
		if err != nil {
			continue // not gossiped yet
		}
		n := int64(bytes)
		v.change(addr, func(p *Peer) { p.Load = Size(n, q.Release.Layout.BinaryUnits) })
		if addr == v.Self {
			v.LoadBytes = &n
		}
	}
	if err := iter.Close(); err != nil {
		return err
	}
	iter = query(ctx, s, "SELECT address, status FROM system_views.pending_hints").Iter()
	for iter.Scan(&addr, &status) {
		if _, known := v.Peers[address(addr)]; known && strings.EqualFold(status, "down") {
			v.change(addr, func(p *Peer) { p.Status = Down })
		}
	}
	return iter.Close()
}

// applyGossip reads a gossiped status such as "NORMAL,0" or "shutdown,true".
func applyGossip(p *Peer, status string) {
	word, _, _ := strings.Cut(status, ",")
	switch strings.ToUpper(word) {
	case "BOOT", "BOOT_REPLACE":
		p.State = Joining
	case "LEAVING":
		p.State = Leaving
	case "MOVING":
		p.State = Moving
	case "SHUTDOWN":
		p.Status = Down
	}
}

// readOwnership works the effective ownership out of the tokens that the node
// knows and of the keyspace's replication as it stands in the schema.
func readOwnership(ctx context.Context, s *gocql.Session, q Query, v *View) error {
	replication, err := readReplication(ctx, s, q.Release.SystemSchema, q.Keyspace)
	if errors.Is(err, gocql.ErrNotFound) {
		return fmt.Errorf("the keyspace %s does not exist", q.Keyspace)
	}
	if err != nil {
		return fmt.Errorf("reading replication of keyspace %s: %w", q.Keyspace, err)
	}
	return own(v, replication)
}

// own sets the effective ownership of every peer, for a replication by datacenter.
func own(v *View, replication map[string]int) error {
	p, err := tokens.ParsePartitioner(v.Partitioner)
	if err != nil {
		return err
	}
	var nodes []tokens.Node
	addrs := slices.Sorted(maps.Keys(v.Peers))
	for _, addr := range addrs {
		peer := v.Peers[addr]
		n := tokens.Node{Datacenter: peer.Datacenter, Rack: peer.Rack}
		for _, t := range peer.Tokens {
			place, ok := new(big.Int).SetString(t, 10)
			if !ok {
				return fmt.Errorf("token of %s: %q is no number", addr, t)
			}
			n.Tokens = append(n.Tokens, place)
		}
		nodes = append(nodes, n)
	}
	shares, err := tokens.EffectiveOwnership(p, nodes, replication)
	if err != nil {
		return err
	}
	for i, addr := range addrs {
		v.change(addr, func(p *Peer) { p.OwnsEffective = &shares[i] })
	}
	return nil
}

// readReplication reads a keyspace's replication by datacenter from the schema.
func readReplication(ctx context.Context, s *gocql.Session, systemSchema bool, keyspace string) (map[string]int, error) {
	if systemSchema {
		var options map[string]string
		err := query(ctx, s, "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", keyspace).Scan(&options)
		if err != nil {
			return nil, err
		}
		return parseReplication(options["class"], options)
	}
	var class, text string
	err := query(ctx, s, "SELECT strategy_class, strategy_options FROM system.schema_keyspaces WHERE keyspace_name = ?", keyspace).
		Scan(&class, &text)
	if err != nil {
		return nil, err
	}
	options := map[string]string{}
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		return nil, fmt.Errorf("strategy options %q: %w", text, err)
	}
	return parseReplication(class, options)
}

// parseReplication takes the factors by datacenter out of a keyspace's options.
func parseReplication(class string, options map[string]string) (map[string]int, error) {
	if shortClass(class) != "NetworkTopologyStrategy" {
		return nil, fmt.Errorf("ownership by datacenter needs NetworkTopologyStrategy, not %s", shortClass(class))
	}
	replication := map[string]int{}
	for dc, text := range options {
		if dc == "class" {
			continue
		}
		factor, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("replication factor of datacenter %s: %w", dc, err)
		}
		replication[dc] = factor
	}
	return replication, nil
}
