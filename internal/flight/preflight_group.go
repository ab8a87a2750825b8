package flight

import (
	"context"
	"net/netip"
	"slices"

	"crossring/internal/preflight"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// groups are EC2's security groups as they are, held against the plan.
type groups struct {
	read  bool
	lacks []ec2.Lack
}

// readGroups asks EC2, if some connection was not made there.
func (f *flight) readGroups(ctx context.Context) {
	closed := slices.ContainsFunc(f.tried, func(t preflight.Tried) bool {
		return t.State != preflight.Open && t.State != preflight.Untried
	})
	if f.cluster.Place.Cloud == nil || !closed {
		return
	}
	lacks, err := f.cluster.Place.Cloud.Lacking(ctx, f.cluster.Inv)
	if err != nil {
		f.Say("the security groups could not be read: %v", err)
		return
	}
	f.groups = groups{read: true, lacks: lacks}
}

// lack is the planned rule that is missing for a connection; nil is none.
func (f *flight) lack(n preflight.Need, senders []netip.Addr) *ec2.Lack {
	from, to := f.ends[n.From].host, f.ends[n.To].host
	inside := n.From != preflight.Here && n.Address == to.Private
	for i, l := range f.groups.lacks {
		if l.Node != n.To || l.Port != n.Port {
			continue
		}
		if l.Source == ec2.TheGroup {
			if inside {
				return &f.groups.lacks[i]
			}
			continue
		}
		p, err := netip.ParsePrefix(l.Source)
		if err != nil || inside {
			continue
		}
		if n.From != preflight.Here {
			senders = []netip.Addr{}
			if a, err := netip.ParseAddr(from.Address); err == nil {
				senders = append(senders, a)
			}
		}
		if slices.ContainsFunc(senders, p.Contains) {
			return &f.groups.lacks[i]
		}
	}
	return nil
}

// group says what a cloud's firewall makes of a connection: by the plan's rules, and
// by those that were read.
func (f *flight) group(n preflight.Need, senders []netip.Addr) preflight.Group {
	if f.cluster.Place.Cloud == nil {
		return preflight.GroupUnknown
	}
	at := map[string]topology.Node{}
	for _, node := range f.cluster.Inv.Nodes {
		at[node.Name] = node
	}
	for _, r := range f.cluster.Inv.Plan.Rules {
		if r.Node != n.To || r.Port != n.Port {
			continue
		}
		p, err := netip.ParsePrefix(r.Source.Network())
		operator := err == nil && n.From == preflight.Here
		switch {
		case n.From != preflight.Here && r.Admits(n.From) && n.Address == at[n.To].PublicAddress,
			r.Source.IsGroup() && n.Address == at[n.To].PrivateAddress && at[n.From].Region == at[n.To].Region,
			operator && slices.ContainsFunc(senders, p.Contains):
			return f.planned(n, senders)
		case operator && len(senders) == 0:
			// As long as nobody says what this computer's address is there, it may be in it.
			return preflight.GroupUnknown
		}
	}
	return preflight.GroupClosed
}

// planned is what the groups make of a connection that the plan opens.
func (f *flight) planned(n preflight.Need, senders []netip.Addr) preflight.Group {
	switch {
	case !f.groups.read:
		return preflight.GroupUnknown
	case f.lack(n, senders) != nil:
		return preflight.GroupClosed
	}
	return preflight.GroupOpen
}
