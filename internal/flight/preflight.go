package flight

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/preflight"
	"crossring/internal/preflight/probe"
	"crossring/internal/topology"
)

// PreflightRequest says what to look at besides the ports that the cluster needs.
type PreflightRequest struct {
	Name string
	// Ports are further ones of every machine, reached from here.
	Ports []int
	// Bandwidth is how long many bytes are sent over each way between two nodes; 0
	// measures neither bandwidth nor path MTU.
	Bandwidth time.Duration
}

// PreflightResult is what was found.
type PreflightResult struct {
	Schema  string          `json:"schema"`
	Cluster string          `json:"cluster"`
	Version string          `json:"cassandra_version"`
	Hosts   []PreflightHost `json:"hosts"`
	Paths   []PreflightPath `json:"paths"`
	// Problems counts needed paths and hosts with which something is wrong.
	Problems int `json:"problems"`
}

// PreflightHost is one end.
type PreflightHost struct {
	Name    string `json:"name"` // of the node, or "here"
	Address string `json:"address"`
	Private string `json:"private_address"`
	Problem string `json:"problem"` // why it could not be used; "" is none
	// Clock is how far its clock is ahead of this computer's, give or take Margin, in
	// milliseconds; nil was not compared.
	Clock  *float64 `json:"clock_ms"`
	Margin *float64 `json:"clock_margin_ms"`
	// Watched says that packets were watched at its devices; Unwatched why not.
	Watched   bool   `json:"watched"`
	Unwatched string `json:"unwatched"`
	// Firewall is "read", or why its rules were not.
	Firewall string `json:"firewall"`
	// Listens says by port who listens: crossring for the time of the check, or a
	// server that was there.
	Listens map[string]preflight.Listener `json:"listens"`
}

// PreflightPath is one connection that should be possible, and what became of it.
type PreflightPath struct {
	preflight.Need
	State     preflight.State    `json:"state"`
	Listener  preflight.Listener `json:"listener"`
	TLS       string             `json:"tls"`        // version, "none", "silent"; "" was not tried
	ConnectMS *float64           `json:"connect_ms"` // nil: not connected
	RTTMS     *float64           `json:"rtt_ms"`     // nil: not measured
	Mbit      *float64           `json:"mbit_per_second"`
	PathMTU   *int               `json:"path_mtu"`
	DeviceMTU *int               `json:"device_mtu"`
	Diagnosis preflight.Kind     `json:"diagnosis"`
	Means     string             `json:"means"`
	Change    string             `json:"change"`
	Sure      bool               `json:"sure"`
}

// clockLimit is the difference between two clocks from which on the newest write of a
// row need not be the one made last; up refuses it, too.
const clockLimit = 5 * time.Second

// Preflight tries every connection that a cluster needs, from every machine and from
// here, and tells who keeps the closed ones closed. Where Cassandra does not run
// crossring listens in its place for as long as that takes. The error carries
// ExitPartial when some needed connections can't be made, ExitFailure when none can.
func Preflight(ctx context.Context, w cluster.World, req PreflightRequest) (PreflightResult, error) {
	res := PreflightResult{Schema: topology.Schema, Cluster: req.Name, Hosts: []PreflightHost{}, Paths: []PreflightPath{}}
	if err := cluster.CheckName(req.Name); err != nil {
		return res, err
	}
	unlock, err := w.Lock(ctx, req.Name) // nobody may start a server where a probe listens
	if err != nil {
		return res, err
	}
	defer unlock()
	c, err := w.Open(req.Name)
	if err != nil {
		return res, err
	}
	if err := c.Place.NoServers(req.Name, ""); err != nil {
		return res, err
	}
	const deadline = 10 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("not done within %s", deadline))
	defer cancel()
	res.Version = c.Inv.Plan.Version
	f := &flight{World: w, cluster: c, req: req, token: rand.Text(), ends: map[string]*end{}}
	defer f.close()
	err = f.do(ctx)
	res.Hosts, res.Paths = f.hosts(), f.paths
	if err != nil {
		return res, err
	}
	return f.judge(res)
}

// flight is one check.
type flight struct {
	cluster.World
	cluster cluster.Cluster
	req     PreflightRequest
	token   string

	ends   map[string]*end // by name
	order  []string
	needs  []preflight.Need
	tried  []preflight.Tried
	bulks  []*preflight.Bulk
	paths  []PreflightPath
	groups groups
}

// end is one machine, or this computer.
type end struct {
	host   PreflightHost
	probe  *probe.Probe // nil: it can't be used
	source string       // to connect from; "" is any
	close  func()
	ports  []int                      // that it listens at
	listen map[int]preflight.Listener // by port
	// own says that the public address is the machine's itself; listenPublic is who listens
	// there, by port.
	own          bool
	listenPublic map[int]preflight.Listener
	// client is this computer's address as the machine sees it; "" is not known.
	client   string
	firewall preflight.Firewall
	seen     []probe.Packet
}

func (f *flight) do(ctx context.Context) error {
	f.needs = preflight.Needs(f.cluster.Inv, f.req.Ports)
	f.tried = make([]preflight.Tried, len(f.needs))
	f.bulks = make([]*preflight.Bulk, len(f.needs))
	if err := f.Stage("a probe at every end", func() error { return f.open(ctx) }); err != nil {
		return err
	}
	if err := f.Stage("try "+plain.Count(len(f.needs), "connection"), func() error { return f.try(ctx) }); err != nil {
		return err
	}
	if f.req.Bandwidth > 0 {
		if err := f.Stage("bandwidth and path MTU", func() error { return f.measure(ctx) }); err != nil {
			return err
		}
	}
	return f.Stage("compare both ends", func() error { return f.decide(ctx) })
}

// try makes all connections, those of each sender a few at a time.
func (f *flight) try(ctx context.Context) error {
	const atOnce = 16
	var all sync.WaitGroup
	free := map[string]chan struct{}{}
	for _, name := range f.order {
		free[name] = make(chan struct{}, atOnce)
	}
	for i, n := range f.needs {
		from := f.ends[n.From]
		if from.probe == nil {
			f.tried[i] = preflight.Tried{State: preflight.Untried, Error: from.host.Problem}
			continue
		}
		all.Go(func() {
			free[n.From] <- struct{}{}
			defer func() { <-free[n.From] }()
			token, tls := "", n.Purpose != preflight.SSH
			if f.listener(n) == preflight.ByProbe {
				token = f.token
			}
			f.tried[i], _ = from.probe.Dial(ctx, from.source, n.Address, n.Port, token, tls) // an error is in it
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("trying connections: %w", context.Cause(ctx))
	}
	return nil
}

// listener says who answers at the far end.
func (f *flight) listener(n preflight.Need) preflight.Listener {
	if n.Purpose == preflight.SSH && f.ends[n.To].probe != nil {
		return preflight.ByServer
	}
	if f.elsewhere(n) && n.Purpose != preflight.SSH {
		return preflight.ByNobody
	}
	if who, ok := f.ends[n.To].listen[n.Port]; ok {
		return who
	}
	return preflight.Unknown
}

// elsewhere says that nobody listens at the address of a connection, which is the
// machine's own: what listens there does so at the private one.
func (f *flight) elsewhere(n preflight.Need) bool {
	to := f.ends[n.To]
	if !to.own || n.Address != to.host.Address {
		return false
	}
	who, ok := to.listenPublic[n.Port]
	return !ok || who == preflight.ByNobody
}

// measure sends many bytes over each open way between two nodes, one after another,
// so that none is in another's way.
func (f *flight) measure(ctx context.Context) error {
	done := map[[2]string]bool{}
	for i, n := range f.needs {
		way := [2]string{n.From, n.To}
		if n.Purpose != preflight.Internode || !n.Needed || done[way] || f.tried[i].State != preflight.Open || f.listener(n) != preflight.ByProbe {
			continue
		}
		done[way] = true
		from := f.ends[n.From]
		send := func(mss int) (preflight.Bulk, error) {
			return from.probe.Bulk(ctx, from.source, n.Address, n.Port, f.token, f.req.Bandwidth.Seconds(), mss)
		}
		b, err := send(0)
		if err != nil {
			return err
		}
		if b.Stalled {
			const headers = 40 // of IP and TCP
			for _, mtu := range []int{1400, 1280, 1000, 576} {
				smaller, err := send(mtu - headers)
				if err != nil {
					return err
				}
				if !smaller.Stalled && smaller.Unavailable == "" {
					b.WorkingMTU, b.MbitPerSec = mtu, smaller.MbitPerSec
					break
				}
			}
		}
		f.bulks[i] = &b
	}
	return nil
}

// hosts are the ends, in order.
func (f *flight) hosts() []PreflightHost {
	list := []PreflightHost{}
	for _, name := range f.order {
		list = append(list, f.ends[name].host)
	}
	return list
}

func (f *flight) close() {
	var all sync.WaitGroup
	for _, e := range f.ends {
		if e.close != nil {
			all.Go(e.close)
		}
	}
	all.Wait()
}

// judge counts what is wrong.
func (f *flight) judge(res PreflightResult) (PreflightResult, error) {
	needed, bad := 0, 0
	for _, p := range res.Paths {
		if p.Needed {
			needed++
			if p.Diagnosis != preflight.OK {
				bad++
			}
		}
	}
	hosts := 0
	var clocks []string
	for _, h := range res.Hosts {
		off := h.Clock != nil && h.offBy() > clockLimit
		if off {
			clocks = append(clocks, fmt.Sprintf("the clock of %s is %s off", h.Name, h.offBy().Round(time.Second)))
		}
		if h.Problem != "" || off {
			hosts++
		}
	}
	res.Problems = bad + hosts
	if res.Problems == 0 {
		return res, nil
	}
	err := fmt.Errorf("%d of %d needed connections can't be made, or not well", bad, needed)
	if bad == 0 {
		err = errors.New("every needed connection can be made, and something is wrong with a machine")
	}
	if len(clocks) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(clocks, ", "))
	}
	hint := "crossring preflight " + res.Cluster + " -o json"
	if bad == needed && needed > 0 {
		return res, &fail.Error{Code: fail.ExitFailure, Err: err, Hint: hint}
	}
	return res, fail.Partial("", err, hint)
}

// offBy is how far its clock is off for sure.
func (h PreflightHost) offBy() time.Duration {
	off := max(*h.Clock, -*h.Clock)
	if h.Margin != nil {
		off -= *h.Margin
	}
	return time.Duration(off * float64(time.Millisecond))
}
