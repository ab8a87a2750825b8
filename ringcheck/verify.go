package ringcheck

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// Kinds of mismatch.
const (
	KindMissingNode    = "missing_node"    // planned, but a node that answered does not know it
	KindUnexpectedNode = "unexpected_node" // in the ring, but not planned
	KindUnreachable    = "unreachable"     // did not answer
	KindToken          = "token"
	KindDatacenter     = "datacenter"
	KindRack           = "rack"
	KindAddress        = "address" // the node asked has another broadcast address
	KindReleaseVersion = "release_version"
	KindPartitioner    = "partitioner"
	KindClusterName    = "cluster_name"
	KindSchema         = "schema"
	KindStatus         = "status" // a node that answered sees it down
	KindState          = "state"
	KindOwnership      = "ownership" // effective ownership does not add up to the replication factor
)

// ownershipSlack is how far a datacenter's effective ownership may be from a
// whole number: servers add up single-precision fractions.
const ownershipSlack = 1e-3

// Verify lists what is not as planned, node by node in plan order, then what
// concerns the whole ring. What every node that answered agrees on is one
// mismatch; where they differ, the message says who sees it so.
func Verify(inv topology.Inventory, obs Observation) []Mismatch {
	c := &checker{inv: inv, obs: obs, answers: obs.answered(), found: []Mismatch{}, names: map[string]string{}}
	for _, n := range inv.Nodes {
		c.names[address(n.PublicAddress)] = n.Name
	}
	for _, n := range inv.Nodes {
		c.self(n)
		c.seen(n)
	}
	c.unexpected()
	c.schema()
	c.ownership()
	return c.found
}

// checker collects mismatches.
type checker struct {
	inv     topology.Inventory
	obs     Observation
	answers []View
	names   map[string]string // by broadcast address
	found   []Mismatch
}

func (c *checker) add(kind, node, want, got, format string, args ...any) {
	c.found = append(c.found, Mismatch{Kind: kind, Node: node, Want: want, Got: got, Message: fmt.Sprintf(format, args...)})
}

// same reports a difference between two values of one node.
func (c *checker) same(kind, what, node, want, got string) {
	if want != "" && want != got {
		c.add(kind, node, want, got, "%s has %s %s, not %s", node, what, orNone(got), want)
	}
}

// self checks what a node says of itself.
func (c *checker) self(n topology.Node) {
	for _, v := range c.obs.Views {
		if v.Node == n.Name && v.Err != nil {
			c.add(KindUnreachable, n.Name, "an answer", "none", "%s did not answer: %v", n.Name, v.Err)
		}
	}
	v, ok := c.obs.of(n.Name)
	if !ok {
		return
	}
	if v.Self != "" {
		c.same(KindAddress, "broadcast address", n.Name, address(n.PublicAddress), v.Self)
	}
	plan := c.inv.Plan
	c.same(KindClusterName, "cluster name", n.Name, plan.ClusterName, v.Cluster)
	c.same(KindPartitioner, "partitioner", n.Name, shortClass(plan.Partitioner), v.Partitioner)
	c.same(KindReleaseVersion, "release version", n.Name, plan.Version, v.ReleaseVersion)
	if v.Mode != "" && v.Mode != "NORMAL" {
		c.add(KindState, n.Name, Normal, v.Mode, "%s is in mode %s, not NORMAL", n.Name, v.Mode)
	}
}

// seen checks what every node that answered, itself included, says of a node.
func (c *checker) seen(n topology.Node) {
	addr := address(n.PublicAddress)
	who := map[string]map[string][]string{} // kind → value → names of those who see it
	see := func(kind, value, by string) {
		if who[kind] == nil {
			who[kind] = map[string][]string{}
		}
		who[kind][value] = append(who[kind][value], by)
	}
	tokens := sortTokens(n.Tokens)
	for _, v := range c.answers {
		p, known := v.Peers[addr]
		if !known || len(p.Tokens) == 0 && !inTransit(p.State) {
			see(KindMissingNode, "unknown", v.Node)
			continue
		}
		if p.Datacenter != "" && p.Datacenter != n.Datacenter {
			see(KindDatacenter, p.Datacenter, v.Node)
		}
		if p.Rack != "" && p.Rack != n.Rack {
			see(KindRack, p.Rack, v.Node)
		}
		if got, ok := c.tokens(tokens, p); !ok {
			see(KindToken, got, v.Node)
		}
		if p.Status == Down {
			see(KindStatus, Down, v.Node)
		}
		if inTransit(p.State) {
			see(KindState, string(p.State), v.Node)
		}
	}
	c.report(n.Name, KindMissingNode, "in the ring", who, "is not in the ring")
	c.report(n.Name, KindDatacenter, n.Datacenter, who, "is in datacenter %s, not "+n.Datacenter)
	c.report(n.Name, KindRack, n.Rack, who, "is in rack %s, not "+n.Rack)
	want, said := strings.Join(tokens, " "), "has token %s"
	if len(n.Tokens) == 0 {
		want, said = plain.Count(c.inv.Plan.NumTokens, "token"), "has %s"
	}
	c.report(n.Name, KindToken, want, who, said+", not "+want)
	c.report(n.Name, KindStatus, Up, who, "is down")
	c.report(n.Name, KindState, Normal, who, "is %s, not Normal")
}

// report adds a mismatch for each value that somebody sees. A %s in what is the value.
func (c *checker) report(node, kind, want string, who map[string]map[string][]string, what string) {
	for _, got := range slices.Sorted(maps.Keys(who[kind])) {
		said := strings.Replace(what, "%s", got, 1)
		if by := who[kind][got]; len(by) < len(c.answers) || kind == KindStatus {
			said += " as seen by " + strings.Join(by, ", ")
		}
		c.add(kind, node, want, got, "%s %s", node, said)
	}
}

// tokens compares a node's tokens with the planned ones, or their number where
// the plan leaves the choice to the node.
func (c *checker) tokens(planned []string, p Peer) (got string, ok bool) {
	if len(planned) == 0 {
		want := max(c.inv.Plan.NumTokens, 1)
		return plain.Count(len(p.Tokens), "token"), len(p.Tokens) == want
	}
	if slices.Equal(planned, p.Tokens) {
		return "", true
	}
	return strings.Join(p.Tokens, " "), false
}

// unexpected reports addresses in the ring that are not planned.
func (c *checker) unexpected() {
	for _, addr := range addresses(c.obs) {
		if _, planned := c.names[addr]; planned {
			continue
		}
		var by []string
		for _, v := range c.answers {
			if p, known := v.Peers[addr]; known && (len(p.Tokens) > 0 || inTransit(p.State)) {
				by = append(by, v.Node)
			}
		}
		if len(by) > 0 {
			c.add(KindUnexpectedNode, addr, "not in the ring", "in the ring",
				"%s is in the ring but not in the plan, as seen by %s", addr, strings.Join(by, ", "))
		}
	}
}

// schema reports nodes that have different schema versions.
func (c *checker) schema() {
	versions := map[string][]string{}
	for _, v := range c.answers {
		versions[v.SchemaVersion] = append(versions[v.SchemaVersion], v.Node)
	}
	if len(versions) < 2 {
		return
	}
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, orNone(version)+" on "+strings.Join(versions[version], ", "))
	}
	got := strings.Join(parts, "; ")
	c.add(KindSchema, "", "one version", got, "the nodes do not agree on the schema: %s", got)
}

// ownership checks that each datacenter holds as many copies of the test
// keyspace as its replication factor says.
func (c *checker) ownership() {
	if c.obs.Keyspace == "" || len(c.answers) == 0 {
		return
	}
	sums, known, reason := c.sums()
	if !known {
		c.add(KindOwnership, "", "effective ownership of keyspace "+c.obs.Keyspace, "none",
			"no node says who owns keyspace %s: %v", c.obs.Keyspace, reason)
		return
	}
	ks := c.inv.Plan.Keyspace
	if ks.Name != c.obs.Keyspace {
		return // its replication is not planned
	}
	dcs := map[string]bool{}
	for dc := range sums {
		dcs[dc] = true
	}
	for dc := range ks.Replication {
		dcs[dc] = true
	}
	for _, dc := range slices.Sorted(maps.Keys(dcs)) {
		// A datacenter of fewer nodes than copies holds one copy on each.
		want := min(ks.Replication[dc], len(c.inv.InDatacenter(dc)))
		if math.Abs(sums[dc]-float64(want)) > ownershipSlack {
			got := strconv.FormatFloat(sums[dc], 'f', 3, 64)
			c.add(KindOwnership, "", strconv.Itoa(want), got,
				"datacenter %s holds %s copies of keyspace %s, not %d", dc, got, c.obs.Keyspace, want)
		}
	}
}

// sums adds up effective ownership by datacenter, as the first node sees it that
// knows it; reason is why none does.
func (c *checker) sums() (sums map[string]float64, known bool, reason error) {
	for _, v := range c.answers {
		if v.OwnershipErr != nil {
			reason = v.OwnershipErr
			continue
		}
		sums = map[string]float64{}
		for addr, p := range v.Peers {
			if p.OwnsEffective == nil {
				continue
			}
			known = true
			dc := p.Datacenter
			if dc == "" {
				if n, err := c.inv.Node(c.names[addr]); err == nil {
					dc = n.Datacenter
				}
			}
			sums[dc] += *p.OwnsEffective
		}
		if known {
			return sums, true, nil
		}
	}
	return nil, false, reason
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
