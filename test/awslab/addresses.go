//go:build linux

package awslab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
)

// space is what a region's hosts have their addresses from.
type space struct{ private, public netip.Prefix }

// spaces are those of the regions that a lab has: networks within the region, and
// ranges kept for examples in the place of Amazon's.
var spaces = map[string]space{
	"us-east-1": {netip.MustParsePrefix("10.11.0.0/24"), netip.MustParsePrefix("203.0.113.0/24")},
	"us-west-2": {netip.MustParsePrefix("10.22.0.0/24"), netip.MustParsePrefix("198.51.100.0/24")},
	"eu-west-1": {netip.MustParsePrefix("10.33.0.0/24"), netip.MustParsePrefix("198.18.0.0/24")},
}

// Addresses of a space: the router's first, the hosts' after some that are left free,
// as EC2 leaves some.
const (
	gatewayNumber = 1
	firstNumber   = 10
	lastNumber    = 250
)

func (s space) gateway() string { return nth(s.private, gatewayNumber) }

func nth(p netip.Prefix, n int) string {
	a := p.Addr().As4()
	a[3] += byte(n)
	return netip.AddrFrom4(a).String()
}

// addresses are the lab's in the place of the emulator's: each of these gets one of
// its region's, in the order in which they are first met, and keeps it.
type addresses struct {
	mu    sync.Mutex
	given map[string]string // "region private 172.31.0.4" to one of the lab's
	next  map[string]int    // "region private" to the number of the next
}

func newAddresses() *addresses {
	return &addresses{given: map[string]string{}, next: map[string]int{}}
}

// of is the lab's address for one of the emulator's. The lab's own stay as they are.
func (a *addresses) of(region string, private bool, emulated string) (string, error) {
	s, ok := spaces[region]
	if !ok {
		return "", fmt.Errorf("the lab has no hosts in %s", region)
	}
	kind, from := "public", s.public
	if private {
		kind, from = "private", s.private
	}
	if addr, err := netip.ParseAddr(emulated); err != nil {
		return "", fmt.Errorf("the emulator's address: %w", err)
	} else if from.Contains(addr) {
		return emulated, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	list := region + " " + kind
	key := strings.Join([]string{region, kind, emulated}, " ")
	if have, ok := a.given[key]; ok {
		return have, nil
	}
	n := a.next[list]
	if firstNumber+n > lastNumber {
		return "", fmt.Errorf("the lab's %s addresses of %s are used up", kind, region)
	}
	a.next[list]++
	a.given[key] = nth(from, firstNumber+n)
	return a.given[key], nil
}
