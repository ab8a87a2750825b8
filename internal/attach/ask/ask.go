// Package ask asks the nodes of a cluster that somebody else made what they know of
// themselves and of each other. It changes nothing.
package ask

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/gocql/gocql"

	"crossring/internal/attach"
	"crossring/internal/cql"
	"crossring/internal/many"
	"crossring/internal/release"
)

// askTime bounds what one node is asked.
const askTime = 15 * time.Second

// atOnce is how many nodes are asked at a time.
const atOnce = 16

// Request says whom to ask, and how.
type Request struct {
	Points []attach.Point
	TLS    *tls.Config // nil is plain text
	Login  *cql.Login  // nil is none
}

// Found is what the nodes said.
type Found struct {
	Cluster attach.Cluster
	// Silent are nodes that are known by others alone, and why they did not answer.
	Silent []error
}

// Discover asks every contact point, and then all other nodes that those know of. Contact
// points that do not answer are an error unless another one does. It returns what was found
// of a cluster that can't be served, too.
func Discover(ctx context.Context, req Request) (Found, error) {
	points, err := resolve(ctx, req.Points)
	if err != nil {
		return Found{}, err
	}
	seen, silent := askAll(ctx, req, points)
	if len(seen) == 0 {
		return Found{}, many.Join(silent...)
	}
	// One of them that does not let us in, or is no node at all, was named by somebody.
	for _, err := range silent {
		var none *NoAnswerError
		if !errors.As(err, &none) {
			return Found{}, err
		}
	}
	if err := attach.Same(seen); err != nil {
		return Found{}, err
	}
	more, errs := askAll(ctx, req, attach.Others(seen))
	f := Found{Silent: append(silent, errs...)}
	f.Cluster, err = attach.Merge(append(seen, more...))
	return f, err
}

// resolve makes addresses of names; a name may stand for several nodes.
func resolve(ctx context.Context, points []attach.Point) ([]attach.Point, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var all []attach.Point
	var errs []error
	for _, p := range points {
		if _, err := netip.ParseAddr(p.Host); err == nil {
			all = append(all, p)
			continue
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.Host)
		if err != nil {
			errs = append(errs, &NoAnswerError{p, err})
		}
		for _, ip := range found {
			all = append(all, attach.Point{Host: ip.Unmap().String(), Port: p.Port})
		}
	}
	return all, many.Join(errs...)
}

func askAll(ctx context.Context, req Request, points []attach.Point) (seen []attach.Seen, silent []error) {
	type one struct {
		seen attach.Seen
		err  error
	}
	all, _ := many.Map(ctx, points, atOnce, func(ctx context.Context, p attach.Point) (one, error) {
		s, err := Ask(ctx, p, req.TLS, req.Login)
		return one{s, err}, nil
	})
	for _, a := range all {
		if a.err != nil {
			silent = append(silent, a.err)
			continue
		}
		// Two names, or an address of either side of a node, are one node.
		if !slices.ContainsFunc(seen, func(s attach.Seen) bool { return s.Self.HostID == a.seen.Self.HostID }) {
			seen = append(seen, a.seen)
		}
	}
	return seen, silent
}

// Ask asks one node.
func Ask(ctx context.Context, at attach.Point, secure *tls.Config, login *cql.Login) (attach.Seen, error) {
	s := attach.Seen{At: at}
	door, err := Knock(ctx, at, secure, login)
	if err != nil {
		return s, err
	}
	if !door.Asks {
		login = nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("no answer within %s: %w", askTime, context.DeadlineExceeded))
	defer cancel()
	session, err := cql.Open(ctx, cql.Endpoint{
		Addresses: []string{at.Host}, Port: at.Port, Release: speaking(door.Protocol), Timeout: askTime, ConnectTimeout: askTime, TLS: secure, Login: login,
	})
	if err != nil {
		return s, &NoAnswerError{at, err}
	}
	defer session.Close()
	if err := read(ctx, session, &s); err != nil {
		return s, &NoAnswerError{at, err}
	}
	return s, nil
}

// speaking is a release for the driver, as long as only the version of the protocol is known.
func speaking(protocol int) release.Release {
	all := release.All()
	rel := all[0]
	for _, r := range all {
		if r.Proto == protocol {
			rel = r
		}
	}
	rel.NoHostLookup = true // this node alone, whatever it knows of others
	return rel
}

// read reads what a node says of itself and of the others. Which columns there are depends
// on its release, so all are asked for.
func read(ctx context.Context, s *gocql.Session, seen *attach.Seen) error {
	rows, err := rowsOf(ctx, s, "SELECT * FROM system.local WHERE key = 'local'")
	if err != nil {
		return fmt.Errorf("reading system.local: %w", err)
	}
	if len(rows) != 1 {
		return errors.New("reading system.local: it has no row")
	}
	seen.Cluster, seen.Partitioner = word(rows[0]["cluster_name"]), word(rows[0]["partitioner"])
	seen.Self = member(rows[0], "broadcast_address", "rpc_port", "rpc_address")
	table := "system.peers"
	if rel, err := release.Of(seen.Self.Version); err == nil && rel.PeersV2 {
		table = "system.peers_v2"
	}
	if rows, err = rowsOf(ctx, s, "SELECT * FROM "+table); err != nil {
		return fmt.Errorf("reading %s: %w", table, err)
	}
	for _, row := range rows {
		m := member(row, "peer", "native_port", "native_address", "rpc_address")
		// What is left of a node that went, or is about to come, has no tokens.
		if m.HostID != "" && len(m.Tokens) > 0 && m.HostID != seen.Self.HostID {
			seen.Peers = append(seen.Peers, m)
		}
	}
	return nil
}

func rowsOf(ctx context.Context, s *gocql.Session, stmt string) ([]map[string]any, error) {
	return s.Query(stmt).WithContext(ctx).Consistency(gocql.One).Iter().SliceMap()
}

// member reads a node out of a row; what it lacks is left out.
func member(row map[string]any, broadcast, port string, addresses ...string) attach.Member {
	m := attach.Member{
		HostID: id(row["host_id"]), Datacenter: word(row["data_center"]), Rack: word(row["rack"]), Version: word(row["release_version"]),
		Broadcast: address(row[broadcast]),
	}
	for _, name := range addresses {
		if m.Address == "" {
			m.Address = address(row[name])
		}
	}
	m.Tokens, _ = row["tokens"].([]string)
	m.Port, _ = row[port].(int)
	return m
}

func word(v any) string {
	s, _ := v.(string)
	return s
}

func id(v any) string {
	if u, ok := v.(gocql.UUID); ok && u != (gocql.UUID{}) {
		return u.String()
	}
	return ""
}

// address is one that the driver read: as text, or as bytes.
func address(v any) string {
	text, _ := v.(string)
	if ip, ok := v.(net.IP); ok && ip != nil {
		text = ip.String()
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return ip.Unmap().String()
}
