// Package ec2 makes a cluster's hosts on Amazon EC2, in several regions at once, and
// removes all of them again. Every call that changes something is announced in a
// journal on disk first, everything is tagged as it is created, and what a crash, a
// lost reply or a throttled account left is adopted or removed by the next call.
package ec2

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/internal/journal"
	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// Provider makes clusters on EC2. Its files are below a state directory.
type Provider struct {
	StateDir string
	Log      *slog.Logger
	// Say takes a line for a person: what is waited for, what is done otherwise.
	Say func(format string, args ...any)
	// Owner goes into the tags where the plan names none.
	Owner string
	// Now is the clock of the tags.
	Now  func() time.Time
	Pace Pace
}

// Pace is how long things may take.
type Pace = ledger.Pace

// Files in a cluster's directory.
const (
	journalFile = "ec2.journal"
	stateFile   = "ec2.json"
	keyFile     = "id_ed25519"
)

// state is what has to be the same in every call for one cluster. It is on disk
// before anything is made.
type state struct {
	Schema  string        `json:"schema"`
	Plan    topology.Plan `json:"plan"`
	Run     string        `json:"run"`
	Owner   string        `json:"owner"`
	Account string        `json:"account"` // number of the AWS account; "" is not known
	Made    time.Time     `json:"made"`
	Expires time.Time     `json:"expires"`
	// Complete says that all of it stood once. What is gone afterwards was taken away
	// by somebody, and is not made again behind the user's back.
	Complete bool `json:"complete"`
	// New are nodes of the plan that a cluster which stood got later, and that have not
	// stood yet.
	New []string `json:"new,omitempty"`
	// Leaving are nodes, or instances of nodes, that are being removed while the others
	// stand.
	Leaving []departure `json:"leaving,omitempty"`
	// Images has the image of each region, once chosen.
	Images map[string]cloud.Image `json:"images"`
}

// departure is what has to be known of a node to remove all of it.
type departure struct {
	Node   string `json:"node"`
	Region string `json:"region"`
	Public string `json:"public_address"` // "" if it never had one
}

// stood says whether a node has stood: what is gone of it was taken away by somebody.
func (st state) stood(node string) bool { return st.Complete && !slices.Contains(st.New, node) }

// Inventory reads what an earlier Make left, whole or not; fs.ErrNotExist when there
// is nothing.
func (p Provider) Inventory(name string) (topology.Inventory, error) {
	return clusters.Inventory(p.StateDir, name)
}

// Made is when a cluster was begun.
func (p Provider) Made(name string) (time.Time, error) {
	st, err := p.readState(name)
	return st.Made, err
}

// Expires is when a cluster's time to live ends.
func (p Provider) Expires(name string) (time.Time, error) {
	st, err := p.readState(name)
	return st.Expires, err
}

func (p Provider) readState(name string) (state, error) {
	var st state
	err := journal.ReadJSON(filepath.Join(clusters.Dir(p.StateDir, name), stateFile), &st)
	if err == nil && (st.Run == "" || st.Plan.Name == "") {
		err = &journal.DamagedError{Path: filepath.Join(clusters.Dir(p.StateDir, name), stateFile), Reason: "it names no cluster"}
	}
	return st, err
}

// inventoryOf is a cluster of which nothing was made yet.
func (p Provider) inventoryOf(st state) topology.Inventory {
	inv := topology.Inventory{
		Schema: topology.Schema, Plan: st.Plan, Nodes: append([]topology.Node{}, st.Plan.Nodes...),
		Remote: &topology.Remote{ID: st.Run, Dir: clusters.Dir(p.StateDir, st.Plan.Name)},
		EC2:    &topology.EC2{Run: st.Run, ExpiresAt: st.Expires, Hosts: map[string]topology.EC2Host{}},
	}
	if st.Plan.EC2 != nil {
		inv.EC2.SSHUser = st.Plan.EC2.SSHUser
	}
	return inv
}

// site is one cluster being made or unmade: its settings, its journal and its regions.
type site struct {
	Provider
	dir     string
	st      state
	public  string // the key that the hosts let in
	mem     *ledger.Ledger
	regions []*region
	home    regionsAPI // of the region of the configuration
}

// open reads or begins the journal of a cluster, and connects its regions.
func (p Provider) open(ctx context.Context, st state, names []string) (*site, error) {
	p.Pace = p.Pace.WithDefaults()
	s := &site{Provider: p, dir: clusters.Dir(p.StateDir, st.Plan.Name), st: st}
	var err error
	if s.mem, err = ledger.Open(filepath.Join(s.dir, journalFile)); err != nil {
		return nil, err
	}
	conn, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.home = ec2.NewFromConfig(conn)
	for _, name := range names {
		s.regions = append(s.regions, s.region(name, conn))
	}
	return s, nil
}

func (s *site) close() error { return s.mem.Close() }

// regionNames lists the regions of a plan's nodes, in their order.
func regionNames(nodes []topology.Node) []string {
	var names []string
	seen := map[string]bool{}
	for _, n := range nodes {
		if !seen[n.Region] {
			seen[n.Region] = true
			names = append(names, n.Region)
		}
	}
	return names
}
