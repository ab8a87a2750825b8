package ringcheck

import (
	"cmp"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// View is one node's answer: what it says of itself, and of every node it knows.
type View struct {
	Node string // name of the node that was asked
	Err  error  // why there is no answer; the rest is empty then

	Self           string // the broadcast address it has for itself; "" when it does not say
	Cluster        string
	Partitioner    string // short class name
	ReleaseVersion string
	SchemaVersion  string
	Mode           string // operation mode, NORMAL when it takes part in the ring; "" when the source cannot tell
	LoadBytes      *int64
	// Peers by broadcast address, the node itself included.
	Peers map[string]Peer
	// OwnershipErr is why there is no effective ownership for the keyspace asked for.
	OwnershipErr error
}

// Peer is a node as another one, or itself, sees it.
type Peer struct {
	Datacenter    string
	Rack          string
	HostID        string
	Tokens        []string // decimal, ascending; none when it is not in the ring
	Status        Said     // Up, Down, or "" when the source cannot tell
	State         Said     // Normal, Joining, Leaving, Moving, or "" when the source cannot tell
	Load          string   // gossiped, in nodetool's words
	Owns          *float64
	OwnsEffective *float64
	OwnsSystem    *float64 // of the release's OwnsKeyspace, where no other was asked for
}

// change edits the peer at an address, making it when it is not there.
func (v *View) change(addr string, edit func(*Peer)) {
	addr = address(addr)
	if addr == "" {
		return
	}
	if v.Peers == nil {
		v.Peers = map[string]Peer{}
	}
	p, known := v.Peers[addr]
	if !known {
		p.State = Normal
	}
	edit(&p)
	v.Peers[addr] = p
}

// address takes an address out of the forms that JMX gives it in: "10.0.0.1",
// "/10.0.0.1", "host/10.0.0.1", "10.0.0.1:7000", "/10.0.0.1:7000", "[::1]:7000".
func address(s string) string {
	s = s[strings.LastIndexByte(s, '/')+1:]
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().String()
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().String()
	}
	return s
}

// shortClass takes the package off a Java class name.
func shortClass(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// compareTokens orders decimal tokens by value; what is no number comes last, by text.
func compareTokens(a, b string) int {
	if plainDecimal(a) && plainDecimal(b) {
		return compareDecimals(a, b)
	}
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	switch {
	case okX && okY:
		return x.Cmp(y)
	case okX:
		return -1
	case okY:
		return 1
	}
	return strings.Compare(a, b)
}

// plainDecimal says whether a number is written as Cassandra writes tokens: digits, the
// first of them no 0 unless it is the only one, and perhaps a minus before them.
func plainDecimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] == '0' && s != "0" {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// compareDecimals orders plain decimals without making numbers of them: a ring of 200
// nodes with 256 tokens is ten million of them, each looked at a dozen times.
func compareDecimals(a, b string) int {
	switch minusA, minusB := a[0] == '-', b[0] == '-'; {
	case minusA && minusB:
		a, b = b, a
	case minusA:
		return -1
	case minusB:
		return 1
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func sortTokens(tokens []string) []string {
	sorted := slices.Clone(tokens)
	slices.SortFunc(sorted, compareTokens)
	return sorted
}
