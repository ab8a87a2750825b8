package cql

import (
	"fmt"
	"net"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gocql/gocql"
)

// pin is the host filter that keeps a session in its datacenter. A host that it
// rejects is not even dialled, so no request can slip over to another region.
type pin struct {
	dc    string
	allow map[string]bool // dialled addresses, where the datacenter is not known
	fixed bool            // the driver knows no datacenters: hold to allow

	// opened is set once the session stands. With fixed, hosts that come from
	// the system tables are turned away from then on: the only one who asks is a
	// control connection that reconnects, and the ring lookup that follows its
	// success panics on tables without addresses. The pools reconnect without it.
	opened atomic.Bool

	mu   sync.Mutex
	seen map[string]bool // datacenters of the hosts asked about
}

func (p *pin) Accept(host *gocql.HostInfo) bool {
	dc := host.DataCenter()
	if dc != "" {
		p.mu.Lock()
		p.seen[dc] = true
		p.mu.Unlock()
	}
	if p.fixed || p.dc == "" {
		if p.fixed && p.opened.Load() && dc != "" {
			return false
		}
		return p.allow[host.ConnectAddress().String()]
	}
	return dc == p.dc
}

// mismatch says why a session could not be opened if the datacenter is to blame.
func (p *pin) mismatch() *DatacenterError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fixed || p.dc == "" || p.seen[p.dc] || len(p.seen) == 0 {
		return nil
	}
	e := &DatacenterError{Want: p.dc}
	for dc := range p.seen {
		e.Seen = append(e.Seen, dc)
	}
	sort.Strings(e.Seen)
	return e
}

// DatacenterError says that the nodes are in other datacenters than the session
// is pinned to.
type DatacenterError struct {
	Want string
	Seen []string
}

func (e *DatacenterError) Error() string {
	return fmt.Sprintf("no node is in datacenter %q; the cluster has %s", e.Want, strings.Join(e.Seen, ", "))
}

// translator maps published addresses to those to dial.
type translator map[string]string

func (t translator) Translate(addr net.IP, port int) (net.IP, int) {
	if to, ok := t[addr.String()]; ok {
		if ip := net.ParseIP(to); ip != nil {
			return ip, port
		}
	}
	return addr, port
}
