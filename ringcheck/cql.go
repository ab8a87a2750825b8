package ringcheck

import (
	"context"
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

// EndpointFunc says how one node is reached by CQL: address, port, release, and what it
// asks for, TLS and a login. Only the first address is asked.
type EndpointFunc func(n topology.Node) (cql.Endpoint, error)

// askCQL gets one node's view from its system tables. They tell less than JMX: who is
// up, who is leaving or moving, and what load there is only where there are virtual
// tables of it, and of the load only what gossip says. What they do not tell stays
// unsaid in the view.
func askCQL(ctx context.Context, q Query, n topology.Node, _ []string) (View, error) {
	e, err := q.CQL(n)
	if err != nil {
		return View{}, fmt.Errorf("asking %s by cql: %w", n.Name, err)
	}
	e.Datacenter, e.Keyspace, e.NumConns, e.InFlight = "", "", 1, 1
	e.Timeout, e.ConnectTimeout = q.timeout(), q.timeout()
	e.Release.NoHostLookup = true // this node alone, whatever it knows of others
	s, err := cql.Open(ctx, e)
	if err != nil {
		return View{}, err
	}
	defer s.Close()
	v := View{}
	at, err := readLocal(ctx, s, q, n, &v)
	if err != nil {
		return View{}, fmt.Errorf("reading system.local of %s: %w", n.Name, err)
	}
	if err := readPeers(ctx, s, q, at, &v); err != nil {
		return View{}, fmt.Errorf("reading peers of %s: %w", n.Name, err)
	}
	if q.Release.VirtualTables {
		// A role that may not look there leaves unsaid what they tell.
		if err := readGossip(ctx, s, q, at, &v); err != nil && !cql.Denied(err) {
			return View{}, fmt.Errorf("reading gossip of %s: %w", n.Name, err)
		}
	}
	if shares, err := plainOwnership(v); err == nil {
		v.share(shares, func(p *Peer, share *float64) { p.Owns = share })
	}
	if q.Keyspace != "" {
		v.OwnershipErr = readOwnership(ctx, s, q, &v)
	}
	return v, nil
}

func query(ctx context.Context, s *gocql.Session, stmt string, args ...any) *gocql.Query {
	return s.Query(stmt, args...).WithContext(ctx).Consistency(gocql.One)
}

// uuid is a UUID as text, "" for none.
func uuid(u gocql.UUID) string {
	if u == (gocql.UUID{}) {
		return ""
	}
	return u.String()
}

// readLocal reads what the node says of itself, and returns its address in the view.
// 1.2 does not say it: that is then the planned one.
func readLocal(ctx context.Context, s *gocql.Session, q Query, n topology.Node, v *View) (at string, err error) {
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
		return "", err
	}
	v.Partitioner, v.SchemaVersion = shortClass(partitioner), uuid(schema)
	p.HostID, p.Tokens = uuid(host), sortTokens(p.Tokens)
	p.Status = Up // it has answered
	v.Mode, p.State = modeOf(bootstrapped)
	v.Self = address(v.Self)
	at = v.Self
	if at == "" {
		at = address(n.PublicAddress)
	}
	v.change(at, func(old *Peer) { *old = p })
	return at, nil
}

// modeOf reads how far a node has come into the ring. One that is in it may be about to
// leave or to move, which this does not say.
func modeOf(bootstrapped string) (mode string, state Said) {
	switch bootstrapped {
	case "COMPLETED":
		return "", ""
	case "DECOMMISSIONED":
		return bootstrapped, ""
	}
	return "JOINING", Joining
}

// readPeers reads what the node at an address knows of the others. They are in the
// ring; the table does not say whether they are up, or leave or move.
func readPeers(ctx context.Context, s *gocql.Session, q Query, at string, v *View) error {
	table := "system.peers"
	if q.Release.PeersV2 {
		table = "system.peers_v2"
	}
	iter := query(ctx, s, "SELECT peer, host_id, data_center, rack, tokens FROM "+table).Iter()
	var addr string
	var host gocql.UUID
	var p Peer
	for iter.Scan(&addr, &host, &p.Datacenter, &p.Rack, &p.Tokens) {
		if p.HostID, p.Tokens = uuid(host), sortTokens(p.Tokens); address(addr) != at {
			v.change(addr, func(old *Peer) { *old = p })
		}
		p, host = Peer{}, gocql.UUID{}
	}
	return iter.Close()
}

// gossiped is what a node has heard of one by gossip.
type gossiped struct {
	address, status, load, dc, rack, hostID string
}

// readGossip adds state and load, nodes that are joining, and what tells whether a node
// is up: that it said that it goes, or what the node thinks of one that it has hints for.
func readGossip(ctx context.Context, s *gocql.Session, q Query, at string, v *View) error {
	iter := query(ctx, s, "SELECT address, status, status_with_port, load, dc, rack, host_id FROM system_views.gossip_info").Iter()
	var g gossiped
	var withPort string
	for iter.Scan(&g.address, &g.status, &withPort, &g.load, &g.dc, &g.rack, &g.hostID) {
		if withPort != "" {
			g.status = withPort
		}
		applyGossip(v, at, q.Release.Layout.BinaryUnits, g)
		g, withPort = gossiped{}, ""
	}
	if err := iter.Close(); err != nil {
		return err
	}
	iter = query(ctx, s, "SELECT address, status FROM system_views.pending_hints").Iter()
	var addr, status string
	for iter.Scan(&addr, &status) {
		applyHints(v, at, addr, status)
	}
	return iter.Close()
}

// applyGossip adds what was gossiped of a node to a view, with a status such as
// "NORMAL,0" or "shutdown,true". Gossip remembers nodes that have left: those that are
// not in the ring count only while they are joining.
func applyGossip(v *View, at string, binaryUnits bool, g gossiped) {
	word, _, _ := strings.Cut(g.status, ",")
	word = strings.ToUpper(word)
	joining := word == "BOOT" || word == "BOOT_REPLACE"
	addr := address(g.address)
	if _, known := v.Peers[addr]; !known {
		if !joining {
			return
		}
		v.change(addr, func(p *Peer) { *p = Peer{Datacenter: g.dc, Rack: g.rack, HostID: g.hostID} })
	}
	v.change(addr, func(p *Peer) {
		switch {
		case joining:
			p.State = Joining
		case word == "NORMAL" && p.State == "":
			p.State = Normal
		case word == "LEAVING":
			p.State = Leaving
		case word == "MOVING":
			p.State = Moving
		case word == "SHUTDOWN" && addr != at:
			p.Status = Down
		}
		if bytes, err := strconv.ParseFloat(g.load, 64); err == nil { // else it is not gossiped yet
			p.Load = Size(int64(bytes), binaryUnits)
		}
		if addr == at && v.Mode == "" {
			v.Mode = strings.ToUpper(string(p.State))
		}
	})
}

// applyHints adds what the node thinks of one that it has hints for.
func applyHints(v *View, at, addr, status string) {
	addr = address(addr)
	if _, known := v.Peers[addr]; !known || addr == at {
		return
	}
	v.change(addr, func(p *Peer) {
		switch {
		case strings.EqualFold(status, Down):
			p.Status = Down
		case strings.EqualFold(status, Up) && p.Status == "":
			p.Status = Up
		}
	})
}

// placed lists the nodes of a view with their tokens, in the order of their addresses.
func placed(v View) (tokens.Partitioner, []tokens.Node, error) {
	p, err := tokens.ParsePartitioner(v.Partitioner)
	if err != nil {
		return p, nil, err
	}
	var nodes []tokens.Node
	for _, addr := range slices.Sorted(maps.Keys(v.Peers)) {
		peer := v.Peers[addr]
		n := tokens.Node{Datacenter: peer.Datacenter, Rack: peer.Rack}
		for _, t := range peer.Tokens {
			place, ok := new(big.Int).SetString(t, 10)
			if !ok {
				return p, nil, fmt.Errorf("token of %s: %q is no number", addr, t)
			}
			n.Tokens = append(n.Tokens, place)
		}
		nodes = append(nodes, n)
	}
	return p, nodes, nil
}

// plainOwnership is each peer's share of the tokens, without regard to datacenters, in
// the order of their addresses.
func plainOwnership(v View) ([]float64, error) {
	p, nodes, err := placed(v)
	if err != nil {
		return nil, err
	}
	var ring []*big.Int
	for _, n := range nodes {
		ring = append(ring, n.Tokens...)
	}
	parts, err := tokens.Ownership(p, ring)
	if err != nil {
		return nil, err
	}
	shares := make([]float64, len(nodes))
	for i, n := range nodes {
		for range n.Tokens {
			shares[i] += parts[0]
			parts = parts[1:]
		}
	}
	return shares, nil
}

// readOwnership works the effective ownership out of the tokens that the node knows and
// of the keyspace's replication as it stands in the schema.
func readOwnership(ctx context.Context, s *gocql.Session, q Query, v *View) error {
	options, err := cql.Replication(ctx, s, q.Release, q.Keyspace)
	if err != nil {
		return err
	}
	replication, err := parseReplication(options)
	if err != nil {
		return err
	}
	return own(v, replication)
}

// own sets the effective ownership of every peer, for a replication by datacenter.
func own(v *View, replication map[string]int) error {
	p, nodes, err := placed(*v)
	if err != nil {
		return err
	}
	shares, err := tokens.EffectiveOwnership(p, nodes, replication)
	if err != nil {
		return err
	}
	v.share(shares, func(p *Peer, share *float64) { p.OwnsEffective = share })
	return nil
}

// share gives each peer its share, in the order of their addresses.
func (v *View) share(shares []float64, set func(p *Peer, share *float64)) {
	for i, addr := range slices.Sorted(maps.Keys(v.Peers)) {
		v.change(addr, func(p *Peer) { set(p, &shares[i]) })
	}
}

// parseReplication takes the factors by datacenter out of a keyspace's options.
func parseReplication(options map[string]string) (map[string]int, error) {
	if class := shortClass(options["class"]); class != "NetworkTopologyStrategy" {
		return nil, fmt.Errorf("ownership by datacenter needs NetworkTopologyStrategy, not %s", class)
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
