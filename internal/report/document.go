// Package report turns what a run saw into what people read: text, and a single
// HTML page. It is pure: the same document gives the same bytes.
package report

import (
	"strings"
	"time"

	"crossring/internal/lag"
	"crossring/internal/meanwhile"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/stress/results"
)

// Document is what a run of write-here, read-there found, as far as it got. It is
// the JSON that demo and repro answer with.
type Document struct {
	Schema      string `json:"schema"`
	Cluster     string `json:"cluster"`
	Provider    string `json:"provider,omitempty"`
	Version     string `json:"cassandra_version"` // full, x.y.z
	Partitioner string `json:"partitioner"`       // short class name
	ValueBytes  int    `json:"value_bytes"`       // of each row; 0 when not known

	RingBefore *ringcheck.Ring       `json:"ring_before"` // null until it was looked at
	RingAfter  *ringcheck.Ring       `json:"ring_after"`
	Write      *results.WriteSummary `json:"write"` // null until it began
	Read       *results.ReadSummary  `json:"read"`

	results.Account

	// Pairs has every ordered pair of datacenters, that of Write and Read first, where all were
	// asked for; empty where only that one was.
	Pairs []Pair `json:"pairs"`

	KeysEstimate KeysEstimate `json:"keys_estimate"`
	// Background ran beside the write and the read; nil where none did.
	Background *lag.Background `json:"background"`
	RunDir     string          `json:"run_dir"` // where the raw results are
	// Crossring is the version of the program, and Command what was typed; "" where that is not
	// known.
	Crossring string `json:"crossring"`
	Command   string `json:"command"`
	// Started is when the run directory was made, and Host what it was made from; nil where
	// that was not noted.
	Started  *time.Time         `json:"started"`
	Host     *topology.Computer `json:"host"`
	Stages   []Stage            `json:"stages"` // in order
	Warnings []string           `json:"warnings"`
	// Faults of the network that were in force during the write or the read; nil where
	// that is not known, as of networks that are not crossring's.
	Faults []topology.NetworkFault `json:"network_faults"`
	meanwhile.Record

	// Endpoints are the broadcast addresses by datacenter, as planned: what is known
	// of a run that did not look at the ring.
	Endpoints map[string][]string `json:"-"`
	// Replication is the replicas of the test keyspace by datacenter, where known.
	Replication map[string]int `json:"-"`
}

// Pair is an experiment from one datacenter to another, with rows of its own.
type Pair struct {
	From   string                `json:"from"`
	To     string                `json:"to"`
	RunDir string                `json:"run_dir"` // of its raw results
	Write  *results.WriteSummary `json:"write"`   // null until it began
	Read   *results.ReadSummary  `json:"read"`
	results.Account
}

// KeysEstimate is how many keys each node believes it holds, by broadcast
// address, as it says after a flush: of the whole table, other runs' included.
type KeysEstimate struct {
	Before     map[string]int64 `json:"before"` // the write
	AfterWrite map[string]int64 `json:"after_write"`
	AfterRead  map[string]int64 `json:"after_read"`
}

// Stage is one step of the run.
type Stage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// New is a document in which nothing has happened yet: what is a list or a map
// in JSON is one from the beginning.
func New(cluster string) Document {
	return Document{
		Schema: topology.Schema, Cluster: cluster,
		KeysEstimate: KeysEstimate{Before: map[string]int64{}, AfterWrite: map[string]int64{}, AfterRead: map[string]int64{}},
		Stages:       []Stage{}, Warnings: []string{}, Pairs: []Pair{},
	}
}

// The experiment that a run is held against: rows of valueBytes written at
// consistency level ONE in one region and read in the other, on two hi1.4xlarge
// with Cassandra 1.2.
const (
	experimentRows         = 1_000_000
	experimentValueBytes   = 2048
	experimentWriteSeconds = 59
	experimentReadSeconds  = 50
)

// ring is the newest look at the ring, nil when there was none.
func (d Document) ring() *ringcheck.Ring {
	if d.RingAfter != nil {
		return d.RingAfter
	}
	return d.RingBefore
}

// places gives each broadcast address its node and datacenter, of every look at
// the ring, and where there was none the datacenter that was planned.
func (d Document) places() map[string]place {
	at := map[string]place{}
	for dc, addresses := range d.Endpoints {
		for _, a := range addresses {
			at[a] = place{datacenter: dc}
		}
	}
	for _, r := range []*ringcheck.Ring{d.RingBefore, d.RingAfter} {
		if r == nil {
			continue
		}
		for _, dc := range r.Datacenters {
			for _, n := range dc.Nodes {
				at[n.Address] = place{dc.Name, n}
			}
		}
	}
	return at
}

type place struct {
	datacenter string
	node       ringcheck.Node
}

// roundTrips are those between regions in milliseconds, of both ways and all looks
// the shortest, by "a - b" in order.
func (d Document) roundTrips() map[string]float64 {
	trips := map[string]float64{}
	for _, r := range []*ringcheck.Ring{d.RingBefore, d.RingAfter} {
		if r == nil {
			continue
		}
		for ways, ms := range r.RTT {
			pair := ways
			if a, b, ok := strings.Cut(ways, " -> "); ok {
				pair = min(a, b) + " - " + max(a, b)
			}
			if had, ok := trips[pair]; !ok || ms < had {
				trips[pair] = ms
			}
		}
	}
	return trips
}

// roundTrip is the shortest of all, false when none was measured.
func (d Document) roundTrip() (float64, bool) {
	least, known := 0.0, false
	for _, ms := range d.roundTrips() {
		if !known || ms < least {
			least, known = ms, true
		}
	}
	return least, known
}
