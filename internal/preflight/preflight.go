// Package preflight judges whether the machines of a cluster can reach each other:
// which ports have to be open from where, and, from what was seen on both ends of
// each attempt, who keeps a closed one closed. It sends nothing itself: what it
// judges is observed by internal/preflight/probe.
package preflight

import (
	"net/netip"
	"slices"

	"crossring/internal/topology"
)

// Here is the name of the computer that crossring runs on, among those of nodes.
const Here = "here"

// State is what became of an attempt to connect.
type State string

// States of an attempt.
const (
	Open        State = "open"        // connected, and what was sent got through
	Refused     State = "refused"     // answered at once: RST or an ICMP message
	Silent      State = "silent"      // nothing came back
	Reset       State = "reset"       // connected, and then cut off
	Swallowed   State = "swallowed"   // connected, and then nothing came back
	Unreachable State = "unreachable" // no route, or forbidden by a router
	Untried     State = "untried"     // the machine to try from can't be used
)

// Listener is who answers at a port while it is tried.
type Listener string

// Listeners.
const (
	ByProbe  Listener = "probe"  // crossring, for the time of the check
	ByServer Listener = "server" // something that listened already: Cassandra, sshd
	ByNobody Listener = "nobody"
	Unknown  Listener = "unknown" // the machine could not be asked
)

// Need is a connection that has to be possible.
type Need struct {
	From    string `json:"from"` // node, or Here
	To      string `json:"to"`   // node
	Address string `json:"address"`
	Port    int    `json:"port"`
	Purpose string `json:"purpose"` // internode, cql, ssh, or "port 5901"
	// Needed is false for what a ring works without.
	Needed bool `json:"needed"`
}

// Target is the address and port.
func (n Need) Target() netip.AddrPort {
	addr, err := netip.ParseAddr(n.Address)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(n.Port))
}

// Purposes.
const (
	Internode = "internode"
	CQL       = "cql"
	SSH       = "ssh"
	Extra     = "asked for"
)

// Needs lists the connections that a cluster needs: the storage port from every
// node to every other one, by its public address between regions and by its private
// one inside, and from here CQL, SSH and the ports in more. Inside a region the
// public address is looked at, too, but nothing depends on it. Pure.
func Needs(inv topology.Inventory, more []int) []Need {
	var list []Need
	type way struct {
		from, to, address string
		port              int
	}
	at := map[way]int{} // in list
	add := func(from, to, address string, port int, purpose string, needed bool) {
		if address == "" || port == 0 {
			return
		}
		// Two reasons for one connection are one need: a port that is asked for may be CQL's.
		if i, twice := at[way{from, to, address, port}]; twice {
			list[i].Needed = list[i].Needed || needed
			return
		}
		at[way{from, to, address, port}] = len(list)
		list = append(list, Need{From: from, To: to, Address: address, Port: port, Purpose: purpose, Needed: needed})
	}
	rules, ports := rulesOf(inv.Plan), map[string][]int{}
	for _, n := range inv.Nodes {
		ports[n.Name] = internodePorts(inv.Plan, n, rules[n.Name])
	}
	for _, a := range inv.Nodes {
		for _, b := range inv.Nodes {
			if a.Name == b.Name {
				continue
			}
			for _, port := range ports[b.Name] {
				// The plan's rules name a among those that may reach the port by the public address:
				// then it is meant to go that way, in its own region too, where seeds are public addresses.
				admits := slices.ContainsFunc(rules[b.Name], func(r topology.Rule) bool { return r.Port == port && r.Admits(a.Name) })
				if a.Region == b.Region {
					add(a.Name, b.Name, b.PrivateAddress, port, Internode, true)
				}
				if a.Region != b.Region || b.PublicAddress != b.PrivateAddress {
					add(a.Name, b.Name, b.PublicAddress, port, Internode, a.Region != b.Region || admits)
				}
			}
			if a.Region == b.Region {
				add(a.Name, b.Name, b.PrivateAddress, b.Ports.Native, CQL, false) // for loaders
			}
		}
	}
	for _, n := range inv.Nodes {
		// A client uses the address that the node tells it, or the public one translated
		// to it. Loopback clusters have only the first.
		address := n.PublicAddress
		if n.Host == nil {
			address = n.PrivateAddress
		}
		direct := n.Host == nil || n.Host.Jump == "" && n.Host.Proxy == ""
		if direct {
			add(Here, n.Name, address, n.Ports.Native, CQL, false)
			for _, port := range more {
				add(Here, n.Name, address, port, Extra, true)
			}
			if n.Host != nil {
				add(Here, n.Name, n.Host.Address, n.Host.Port, SSH, true)
			}
		}
	}
	return list
}

// InternodePorts are the ports at which a node's peers reach it: the storage port, or
// that of TLS where it has one of its own, and what else the plan's firewall rules open for them.
func InternodePorts(inv topology.Inventory, n topology.Node) []int {
	return internodePorts(inv.Plan, n, rulesOf(inv.Plan)[n.Name])
}

func internodePorts(p topology.Plan, n topology.Node, rules []topology.Rule) []int {
	list := []int{p.InternodePort(n)}
	for _, r := range rules {
		if r.Purpose == topology.ForInternode && !slices.Contains(list, r.Port) {
			list = append(list, r.Port)
		}
	}
	return list
}

// rulesOf are a plan's rules by node.
func rulesOf(p topology.Plan) map[string][]topology.Rule {
	of := map[string][]topology.Rule{}
	for _, r := range p.Rules {
		of[r.Node] = append(of[r.Node], r)
	}
	return of
}

// Tried is what one attempt showed to the end that made it.
type Tried struct {
	State State
	Error string // of the operating system; "" when open
	// Local is the sender's own end, as it has it.
	Local netip.AddrPort
	// SeenAs is the sender's end as the other one sees it, where it could say.
	SeenAs netip.AddrPort
	// Connect is the time until the connection stood, in milliseconds; RTT the shortest
	// of some questions and answers over it. 0 is not known.
	ConnectMS, RTTMS float64
	// TLS is what became of a handshake over another connection: a version, TLSNone
	// or TLSSilent; "" was not tried.
	TLS string
	// SentThrough says that bytes went both ways.
	SentThrough bool
}

// What a TLS handshake may come to, other than a version.
const (
	TLSNone   = "none"   // the other end speaks something else
	TLSSilent = "silent" // no answer to the first message
)

// Bulk is how a path carries many bytes.
type Bulk struct {
	Bytes       int64
	Seconds     float64
	PathMTU     int // bytes, as the sender's kernel knows it at the end; 0 is not known
	DeviceMTU   int // bytes, of the sender's device
	Stalled     bool
	WorkingMTU  int // of a stalled path: the largest one tried that gets through; 0 is none
	MbitPerSec  float64
	Unavailable string // why it could not be measured
}

// Witness says what passed the devices of one end of an attempt. What a device
// sees comes before the firewall of an arriving packet and after that of a leaving
// one.
type Witness struct {
	Asked bool // false: it could not be watched
	// Out and In count packets of the attempt that left and arrived.
	Out, In int
}

// Observation is all that is known of one attempt.
type Observation struct {
	Need     Need
	Tried    Tried
	Listener Listener
	// Elsewhere says that the address is the machine's own, and that what listens does so
	// at another one of it.
	Elsewhere bool
	Sender    Witness // at Need.From
	Receiver  Witness // at Need.To
	// HostRule is what the receiver's own firewall does with the connection, as its
	// rules read; SenderRule what the sender's does.
	HostRule, SenderRule Ruling
	// Group is what the cloud's firewall does with it, by its rules; "" is not known.
	Group Group
	// Reached says which other hosts reached the same port of the same machine, and
	// NotReached which did not.
	Reached, NotReached []string
	// OtherPort is a port of the same machine that the sender did reach; 0 is none.
	OtherPort int
	// Trace is how far packets to this port got from here; OtherTrace the same for
	// OtherPort. Both are nil where they were not asked for.
	Trace, OtherTrace []Hop
	// Fault is a fault that crossring itself put on the line, and Heal the command that
	// ends it; "" is none.
	Fault, Heal string
	// Start is the command that starts the receiver's server, and Tunnel the one that
	// goes to it through SSH.
	Start, Tunnel string
}

// Hop is a router on the way, at a distance; the zero address did not answer.
type Hop struct {
	TTL  int
	Addr netip.Addr
}

// Group is a cloud firewall's answer.
type Group string

// Answers of a cloud's firewall.
const (
	GroupUnknown Group = ""
	GroupOpen    Group = "open"   // a rule admits it
	GroupClosed  Group = "closed" // no rule does
)
