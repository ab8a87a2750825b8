package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/topology"
	"crossring/provision/ec2"
	"crossring/ringcheck"
)

// kindFirewall is the mismatch of a port between two nodes that is not open as planned.
const kindFirewall = "firewall"

const (
	// silence is how long a port may take to answer before it counts as silent: far
	// more than a way around the world.
	silence = 6 * time.Second
	// firewallWait bounds a whole look at the firewall.
	firewallWait = time.Minute
	// firewallEvery is how long nodes may take to find each other before the firewall is
	// looked at, and then again.
	firewallEvery = 30 * time.Second
)

// blocked says what of the firewall between the nodes of a cluster on EC2 is not as
// planned: rules that the security groups lack and, where the ring is not well, ports
// that stay silent from one node to another. Without rights to read the groups it says
// so, and tries the ports alone.
func blocked(ctx context.Context, w cluster.World, c cluster.Cluster, well bool) []ringcheck.Mismatch {
	if c.Place.Cloud == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, firewallWait, fmt.Errorf("looking at the firewall took more than %s", firewallWait))
	defer cancel()
	lacks, err := c.Place.Cloud.Lacking(ctx, c.Inv)
	if err != nil {
		w.Say("the security groups could not be compared with the plan: %v", err)
	}
	if well {
		// What keeps operators out is none of the ring's, which is well.
		lacks = slices.DeleteFunc(lacks, func(l ec2.Lack) bool { return l.Port != c.Inv.Plan.RuledInternodePort(l.Node) })
	}
	var quiet []way
	if !well || len(lacks) > 0 {
		quiet = silent(ctx, w, c, waysToTry(c.Inv, lacks))
	}
	return firewallMismatches(lacks, quiet)
}

// way is from one node to another's internode port.
type way struct {
	from, to topology.Node
	port     int
}

func (v way) address() string {
	// Within a region nodes meet at private addresses, between regions at public ones.
	if v.from.Region == v.to.Region {
		return v.to.PrivateAddress
	}
	return v.to.PublicAddress
}

// waysToTry are those to all nodes from the first of each region, and those of which a
// rule is missing, as many as can be tried in time.
func waysToTry(inv topology.Inventory, lacks []ec2.Lack) []way {
	const most = 200
	var ways []way
	add := func(from, to topology.Node) {
		v := way{from, to, inv.Plan.RuledInternodePort(to.Name)}
		known := slices.ContainsFunc(ways, func(have way) bool { return have.from.Name == from.Name && have.to.Name == to.Name })
		if from.Name != to.Name && v.port != 0 && !known && len(ways) < most {
			ways = append(ways, v)
		}
	}
	for _, l := range lacks {
		for _, from := range inv.Nodes {
			if to, err := inv.Node(l.Node); err == nil && l.Source == from.PublicAddress+"/32" {
				add(from, to)
			}
		}
	}
	seen := map[string]bool{}
	for _, from := range inv.Nodes {
		if seen[from.Region] {
			continue
		}
		seen[from.Region] = true
		for _, to := range inv.Nodes {
			add(from, to)
		}
	}
	return ways
}

// silent tries ways, and lists those on which nothing answers. A refusal is an answer.
func silent(ctx context.Context, w cluster.World, c cluster.Cluster, ways []way) []way {
	const atOnce = 16
	slots := make(chan struct{}, atOnce)
	quiet := make([]bool, len(ways))
	var wg sync.WaitGroup
	for i, v := range ways {
		slots <- struct{}{}
		wg.Go(func() {
			quiet[i] = isSilent(ctx, w, c, v)
			<-slots
		})
	}
	wg.Wait()
	var list []way
	for i, v := range ways {
		if quiet[i] {
			list = append(list, v)
		}
	}
	return list
}

// isSilent connects to a node as another one does.
func isSilent(ctx context.Context, w cluster.World, c cluster.Cluster, v way) bool {
	m, err := c.Machine(v.from)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	if err := m.Connect(ctx); err != nil {
		return false // nothing is known of the ways from there
	}
	conn, err := m.Dial(ctx, net.JoinHostPort(v.address(), strconv.Itoa(v.port)))
	if err == nil {
		conn.Close()
		return false
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// firewallMismatches puts rules that are missing and ways that are silent together.
func firewallMismatches(lacks []ec2.Lack, quiet []way) []ringcheck.Mismatch {
	var list []ringcheck.Mismatch
	told := map[ec2.Lack]bool{}
	for _, v := range quiet {
		m := ringcheck.Mismatch{
			Kind: kindFirewall, Node: v.to.Name, Want: fmt.Sprintf("port %d open to %s", v.port, v.from.Name), Got: "silent",
			Message: fmt.Sprintf("%s gets no answer from port %d of %s: silent: ", v.from.Name, v.port, v.to.Name),
		}
		i := slices.IndexFunc(lacks, func(l ec2.Lack) bool {
			return l.Node == v.to.Name && l.Port == v.port && (l.Source == v.from.PublicAddress+"/32" || v.from.Region == v.to.Region && l.Source == ec2.TheGroup)
		})
		if i < 0 {
			m.Message += "the security groups let it pass; a network ACL, a route or a firewall on the host does not"
		} else {
			m.Message += lacks[i].String()
			told[lacks[i]] = true
		}
		list = append(list, m)
	}
	for _, l := range lacks {
		if told[l] {
			continue
		}
		list = append(list, ringcheck.Mismatch{
			Kind: kindFirewall, Node: l.Node, Want: fmt.Sprintf("tcp %d from %s", l.Port, l.Source), Got: "closed",
			Message: l.Node + ": " + l.String(),
		})
	}
	return list
}

// repairs is the command that puts missing rules back.
func repairs(name string) string { return "crossring up " + name }

// AwaitReachable is cluster.AwaitRing, and looks at the firewall of a cluster on EC2 when nodes
// do not find each other: at once aloud, and in the error at the end.
func AwaitReachable(ctx context.Context, w cluster.World, c cluster.Cluster, targets []deploy.Target, timeout time.Duration) (ringcheck.Ring, error) {
	if c.Place.Cloud == nil {
		return cluster.AwaitRing(ctx, w, c, targets, timeout)
	}
	watch, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { watchFirewall(watch, w, c) })
	ring, err := cluster.AwaitRing(ctx, w, c, targets, timeout)
	stop()
	wg.Wait()
	if err == nil || ctx.Err() != nil {
		return ring, err
	}
	found := blocked(ctx, w, c, false)
	if len(found) == 0 {
		return ring, err
	}
	ring.Mismatches = append(ring.Mismatches, found...)
	return ring, fail.Ring("", withMessages(err, found), repairs(c.Inv.Plan.Name))
}

// withMessages adds what was found to an error.
func withMessages(err error, found []ringcheck.Mismatch) error {
	for _, m := range found {
		err = fmt.Errorf("%w\n    %s", err, m.Message)
	}
	return err
}

// watchFirewall says what it finds, each thing once, until ctx ends.
func watchFirewall(ctx context.Context, w cluster.World, c cluster.Cluster) {
	said := map[string]bool{}
	tick := time.NewTicker(firewallEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, m := range blocked(ctx, w, c, false) {
			if !said[m.Message] && ctx.Err() == nil {
				said[m.Message] = true
				w.Say("%s", m.Message)
			}
		}
	}
}
