package attach

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/tokens"
)

// Member is a node, as it says itself or as another one knows it. What is not told is "".
type Member struct {
	HostID     string
	Datacenter string
	Rack       string
	Tokens     []string // decimal
	Broadcast  string   // the address that other nodes know it by
	Address    string   // where clients reach it
	Port       int      // of CQL there; 0 is not told
	Version    string
}

// Seen is what one node said when it was asked.
type Seen struct {
	At          Point
	Cluster     string // its cluster_name
	Partitioner string // class
	Self        Member
	Peers       []Member
}

// Cluster is what all that was seen comes to.
type Cluster struct {
	Name        string
	Partitioner string // short class name
	Release     release.Release
	Members     []Member // those of the first contact point's datacenter first
}

// TwoClustersError says that contact points are of different clusters.
type TwoClustersError struct {
	A, B Point
	Why  string
}

func (e *TwoClustersError) Error() string {
	return fmt.Sprintf("%s and %s are of two clusters: %s", e.A, e.B, e.Why)
}

// ExitCode is that of a wrong command line.
func (e *TwoClustersError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that takes them.
func (e *TwoClustersError) Hint() string { return "crossring help attach" }

// NotServedError says that a cluster is one that crossring can't work on.
type NotServedError struct{ Why string }

func (e *NotServedError) Error() string { return e.Why }

// ExitCode is that of a wrong command line.
func (e *NotServedError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that says what is served.
func (e *NotServedError) Hint() string { return "crossring help attach" }

// Same says whether nodes are of one cluster. Names alone don't tell: many a cluster is
// called Test Cluster. Each node has to know the others.
func Same(seen []Seen) error {
	for i, b := range seen {
		for _, a := range seen[:i] {
			switch {
			case a.Cluster != b.Cluster:
				return &TwoClustersError{a.At, b.At, fmt.Sprintf("the name of one is %q, of the other %q", a.Cluster, b.Cluster)}
			case a.Self.HostID != b.Self.HostID && !a.knows(b.Self.HostID) && !b.knows(a.Self.HostID):
				return &TwoClustersError{a.At, b.At, fmt.Sprintf("both are called %q, and neither node knows the other", a.Cluster)}
			case a.Partitioner != b.Partitioner:
				return &TwoClustersError{a.At, b.At, fmt.Sprintf("their partitioners are %s and %s", a.Partitioner, b.Partitioner)}
			}
		}
	}
	return nil
}

func (s Seen) knows(hostID string) bool {
	return slices.ContainsFunc(s.Peers, func(m Member) bool { return m.HostID == hostID })
}

// Others are where further nodes are, that those which were asked know of.
func Others(seen []Seen) []Point {
	asked := map[string]bool{}
	for _, s := range seen {
		asked[s.Self.HostID] = true
	}
	var points []Point
	for _, s := range seen {
		for _, m := range s.Peers {
			if asked[m.HostID] {
				continue
			}
			asked[m.HostID] = true
			host := m.Address
			if !dialable(host) {
				host = m.Broadcast
			}
			points = append(points, Point{Host: host, Port: cmp.Or(m.Port, s.At.Port)})
		}
	}
	return points
}

// dialable says whether an address is one of a node, and not one that it listens on.
func dialable(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && !ip.IsUnspecified()
}

// versionPattern is a release, x.y.z; what follows a hyphen is a build of it.
var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// Merge makes one cluster of what nodes of it said, and refuses one that crossring can't
// work on.
func Merge(seen []Seen) (Cluster, error) {
	if len(seen) == 0 {
		return Cluster{}, &NotServedError{"no node said anything"}
	}
	if err := Same(seen); err != nil {
		return Cluster{}, err
	}
	first := seen[0]
	c := Cluster{Name: first.Cluster, Partitioner: short(first.Partitioner)}
	if _, err := tokens.ParsePartitioner(c.Partitioner); err != nil {
		return c, &NotServedError{fmt.Sprintf("the partitioner of %q is %s; crossring works on Murmur3Partitioner and RandomPartitioner, whose rows are spread by hash", c.Name, c.Partitioner)}
	}
	c.Members = members(seen)
	if err := c.check(); err != nil {
		return c, err
	}
	var err error
	c.Release, err = release.Of(c.Members[0].Version)
	return c, err
}

// members puts together what was said of each node: its own word first, then that of its
// peers, who know better where others reach it.
func members(seen []Seen) []Member {
	all := map[string]Member{}
	for _, s := range seen {
		m := s.Self
		if !dialable(m.Address) {
			m.Address = s.At.Host
		}
		m.Port = cmp.Or(m.Port, s.At.Port)
		all[m.HostID] = fill(m, all[m.HostID])
	}
	for _, s := range seen {
		for _, p := range s.Peers {
			if !dialable(p.Address) {
				p.Address = ""
			}
			all[p.HostID] = fill(all[p.HostID], p)
		}
	}
	for id, m := range all {
		m.Broadcast, m.Address = cmp.Or(m.Broadcast, m.Address), cmp.Or(m.Address, m.Broadcast)
		m.Port = cmp.Or(m.Port, seen[0].At.Port)
		m.Tokens = slices.Clone(m.Tokens)
		all[id] = m
	}
	dc := seen[0].Self.Datacenter
	return slices.SortedFunc(maps.Values(all), func(a, b Member) int {
		if d := cmp.Compare(a.Datacenter, b.Datacenter); d != 0 {
			switch dc {
			case a.Datacenter:
				return -1
			case b.Datacenter:
				return 1
			}
			return d
		}
		x, errX := netip.ParseAddr(a.Broadcast)
		y, errY := netip.ParseAddr(b.Broadcast)
		if errX == nil && errY == nil && x != y {
			return x.Compare(y)
		}
		return cmp.Or(cmp.Compare(a.Broadcast, b.Broadcast), cmp.Compare(a.HostID, b.HostID))
	})
}

// fill is m with what it lacks and more has.
func fill(m, more Member) Member {
	m.HostID, m.Version = cmp.Or(m.HostID, more.HostID), cmp.Or(m.Version, more.Version)
	m.Datacenter, m.Rack = cmp.Or(m.Datacenter, more.Datacenter), cmp.Or(m.Rack, more.Rack)
	m.Broadcast, m.Address, m.Port = cmp.Or(m.Broadcast, more.Broadcast), cmp.Or(m.Address, more.Address), cmp.Or(m.Port, more.Port)
	if len(m.Tokens) == 0 {
		m.Tokens = more.Tokens
	}
	return m
}

// short is a class without its package.
func short(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

// check says what of a cluster's nodes crossring can't work on.
func (c Cluster) check() error {
	no := func(format string, args ...any) error { return &NotServedError{fmt.Sprintf(format, args...)} }
	versions := map[string][]string{}
	at := map[string]string{}
	ports := map[string]int{}
	for _, m := range c.Members {
		switch {
		case m.HostID == "" || len(m.Tokens) == 0 || m.Datacenter == "" || m.Rack == "" || m.Version == "":
			return no("not all is known of node %s yet: host id %q, datacenter %q, rack %q, release %q, %s; is it joining?",
				m.Broadcast, m.HostID, m.Datacenter, m.Rack, m.Version, plain.Count(len(m.Tokens), "token"))
		case !dialable(m.Broadcast) || !dialable(m.Address):
			return no("%q and %q are no addresses of a node", m.Broadcast, m.Address)
		case !versionPattern.MatchString(m.Version):
			return &release.UnknownError{Version: m.Version, Known: served()}
		}
		versions[m.Version] = append(versions[m.Version], m.Broadcast)
		for _, address := range slices.Compact([]string{m.Broadcast, m.Address}) {
			if other, taken := at[address]; taken {
				return no("nodes %s and %s have one address, %s: crossring tells nodes apart by theirs", other, m.HostID, address)
			}
			at[address] = m.HostID
		}
		if port, some := ports[m.Datacenter]; some && port != m.Port {
			return no("nodes of datacenter %s have different ports for CQL, %d and %d; the driver takes one for all", m.Datacenter, port, m.Port)
		}
		ports[m.Datacenter] = m.Port
	}
	if len(versions) > 1 {
		var parts []string
		for _, v := range slices.Sorted(maps.Keys(versions)) {
			parts = append(parts, v+" on "+strings.Join(versions[v], ", "))
		}
		return no("the nodes are of different releases, %s: attach it when its upgrade is over", strings.Join(parts, "; "))
	}
	return nil
}

// served are the series that crossring has the driver's settings of.
func served() []string {
	var list []string
	for _, r := range release.All() {
		list = append(list, r.Series+".x")
	}
	return list
}
