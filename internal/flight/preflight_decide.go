package flight

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"crossring/internal/health"
	"crossring/internal/preflight"
	"crossring/internal/preflight/probe"
	"crossring/internal/topology"
	"crossring/provision/local"
)

// decide gathers what both ends saw, and makes diagnoses of it.
func (f *flight) decide(ctx context.Context) error {
	var all sync.WaitGroup
	for _, e := range f.ends {
		if e.probe != nil && e.host.Watched {
			all.Go(func() {
				seen, err := e.probe.Seen(ctx)
				if err != nil {
					e.host.Watched, e.host.Unwatched = false, err.Error()
				}
				e.seen = seen
			})
		}
	}
	all.Wait()
	f.readGroups(ctx)
	traces := f.traces(ctx)
	faults := f.faults(ctx)
	for i, n := range f.needs {
		o := f.observe(i)
		o.Trace, o.OtherTrace = traces[traced{n.Address, n.Port}], traces[traced{n.Address, o.OtherPort}]
		o.Fault, o.Heal = faults(n)
		f.paths = append(f.paths, f.path(i, o))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("comparing both ends: %w", context.Cause(ctx))
	}
	return nil
}

func (f *flight) path(i int, o preflight.Observation) PreflightPath {
	t := o.Tried
	d := preflight.Decide(o)
	p := PreflightPath{Need: o.Need, State: t.State, Listener: o.Listener, TLS: t.TLS}
	if t.State == preflight.Open {
		p.ConnectMS = &t.ConnectMS
		if t.RTTMS > 0 {
			p.RTTMS = &t.RTTMS
		}
	}
	if b := f.bulks[i]; b != nil && b.Unavailable == "" {
		if b.MbitPerSec > 0 {
			p.Mbit = &b.MbitPerSec
		}
		if b.PathMTU > 0 {
			p.PathMTU = &b.PathMTU
		}
		if b.DeviceMTU > 0 {
			p.DeviceMTU = &b.DeviceMTU
		}
		if big, ok := preflight.DecideBulk(o.Need, *b); !ok {
			d = big
		}
	}
	if l := f.lack(o.Need, f.addresses(o.Need)); l != nil && d.Kind == preflight.ClosedByGroup {
		d.Means += "; " + l.String()
		d.Change = f.Command("up", f.cluster.Inv.Plan.Name)
	}
	p.Diagnosis, p.Means, p.Change, p.Sure = d.Kind, d.Means, d.Change, d.Sure
	return p
}

// observe puts together what is known of one attempt.
func (f *flight) observe(i int) preflight.Observation {
	n := f.needs[i]
	from, to := f.ends[n.From], f.ends[n.To]
	o := preflight.Observation{Need: n, Tried: f.tried[i], Listener: f.listener(n)}
	o.Elsewhere = f.elsewhere(n) && n.Purpose != preflight.SSH
	receiver := f.cluster.Inv.Plan.Name + ":" + n.To
	o.Start, o.Tunnel = f.Command("start", receiver), f.Command("tunnel", receiver, "-L", strconv.Itoa(n.Port))
	senders := f.addresses(n)
	if !o.Tried.SeenAs.IsValid() && len(senders) > 0 {
		o.Tried.SeenAs = netip.AddrPortFrom(senders[0], 0)
	}
	if from.host.Watched && o.Tried.Local.IsValid() {
		o.Sender = probe.Sent(from.seen, o.Tried.Local, n.Target())
	}
	if to.host.Watched && o.Tried.Local.IsValid() {
		o.Receiver = probe.Got(to.seen, o.Tried.Local, n.Port, senders)
	}
	if f.cluster.Remote() {
		if private, err := netip.ParseAddr(to.host.Private); err == nil && to.probe != nil {
			src := netip.Addr{}
			if len(senders) > 0 {
				src = senders[0]
			}
			o.HostRule = to.firewall.Rule(preflight.Packet{Src: src, Dst: private, Port: uint16(n.Port)})
		}
		if o.Tried.Local.IsValid() {
			o.SenderRule = from.firewall.Rule(preflight.Packet{Src: o.Tried.Local.Addr(), Dst: n.Target().Addr(), Port: uint16(n.Port), Out: true})
		}
		o.Group = f.group(n, senders)
	}
	for k, other := range f.needs {
		if other.To != n.To || other.Address != n.Address && other.Purpose != preflight.SSH {
			continue
		}
		switch open := f.tried[k].State == preflight.Open; {
		case other.From == n.From && other.Port != n.Port && open:
			o.OtherPort = other.Port
		case other.From != n.From && other.Port == n.Port && open:
			o.Reached = append(o.Reached, other.From)
		case other.From != n.From && other.Port == n.Port && f.tried[k].State != preflight.Untried:
			o.NotReached = append(o.NotReached, other.From)
		}
	}
	return o
}

// addresses are those that a sender may be seen by at the other end, the likeliest
// first.
func (f *flight) addresses(n preflight.Need) []netip.Addr {
	var list []netip.Addr
	add := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	// As this machine, or another one, said itself.
	for k, other := range f.needs {
		if seen := f.tried[k].SeenAs; other.From == n.From && other.To == n.To && other.Address == n.Address && seen.IsValid() {
			add(seen.Addr().String())
		}
	}
	if n.From == preflight.Here {
		add(f.ends[n.To].client)
		return list
	}
	from := f.ends[n.From].host
	if n.Address == f.ends[n.To].host.Private {
		add(from.Private)
	}
	add(from.Address)
	add(from.Private)
	return list
}

type traced struct {
	address string
	port    int
}

// traces follows the way from here to a port of a machine that is open, and then to
// the closed ones, from router to router as far as they let it pass. One at a time:
// routers answer only so many.
func (f *flight) traces(ctx context.Context) map[traced][]preflight.Hop {
	found := map[traced][]preflight.Hop{}
	if !f.cluster.Remote() {
		return found
	}
	follow := func(w traced, ttls ...int) []preflight.Hop {
		hops, err := f.ends[preflight.Here].probe.Trace(ctx, w.address, w.port, ttls...)
		if err != nil {
			f.Log.Info("preflight", "trace", err)
		}
		return hops
	}
	for i, n := range f.needs {
		if n.From != preflight.Here || f.tried[i].State == preflight.Open {
			continue
		}
		o := f.observe(i)
		if o.OtherPort == 0 || o.Receiver.In > 0 || o.Sender.Asked && o.Sender.Out == 0 {
			continue // it is known without
		}
		open := traced{n.Address, o.OtherPort}
		if _, ok := found[open]; !ok {
			found[open] = follow(open)
		}
		var ttls []int
		for _, h := range found[open] {
			if h.Addr.IsValid() && h.Addr.String() != n.Address {
				ttls = append(ttls, h.TTL)
			}
		}
		if len(ttls) > 0 {
			found[traced{n.Address, n.Port}] = follow(traced{n.Address, n.Port}, ttls...)
		}
	}
	return found
}

// faults tells which lines of a local cluster crossring itself has cut.
func (f *flight) faults(ctx context.Context) func(preflight.Need) (fault, heal string) {
	none := func(preflight.Need) (string, string) { return "", "" }
	if f.cluster.Remote() {
		return none
	}
	name := f.cluster.Inv.Plan.Name
	net, err := health.Fault(ctx, f.World, name, local.Fault{})
	if err != nil {
		return func(n preflight.Need) (string, string) {
			if n.From == preflight.Here {
				return "", ""
			}
			return "nothing carries a byte between the regions: " + err.Error(), f.Command("up", name)
		}
	}
	region := map[string]string{}
	for _, n := range f.cluster.Inv.Nodes {
		region[n.Name] = n.Region
	}
	return func(n preflight.Need) (string, string) {
		a, b := region[n.From], region[n.To]
		for _, l := range net.Lines {
			if l.Fault != "" && a != "" && (l.A == a && l.B == b || l.A == b && l.B == a) {
				return fmt.Sprintf("%s and %s are cut from each other by crossring fault: %s", l.A, l.B, l.Fault),
					f.Command(topology.NetworkFault{Kind: l.Fault, A: l.A, B: l.B}.Undo(name, 0)...)
			}
		}
		if slices.Contains(net.Refused, b) && a != "" && a != b {
			return "the public ports of " + b + " are closed by crossring fault", f.Command(topology.NetworkFault{Kind: topology.FaultRefuse, A: b}.Undo(name, 0)...)
		}
		return "", ""
	}
}
