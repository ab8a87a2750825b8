package probe

import (
	"net/netip"

	"crossring/internal/preflight"
)

// Sent counts what the sender's devices saw of an attempt from local to the port at
// to: what left for it, and what came back from it.
func Sent(seen []Packet, local netip.AddrPort, to netip.AddrPort) preflight.Witness {
	w := preflight.Witness{Asked: true}
	for _, p := range seen {
		switch {
		case p.Out && p.Syn && !p.Ack && p.Src.Port() == local.Port() && p.Dst == to:
			w.Out += p.Count
		case !p.Out && p.Dst.Port() == local.Port() && p.Src == to:
			w.In += p.Count
		}
	}
	return w
}

// Got counts what the receiver's devices saw of an attempt at one of its ports: what
// arrived from one of the sender's addresses or from its port, which a NAT may have
// changed but seldom both, and what went back.
func Got(seen []Packet, local netip.AddrPort, port int, from []netip.Addr) preflight.Witness {
	w := preflight.Witness{Asked: true}
	// The sender's port tells its attempts apart; a NAT that gives it another one
	// leaves only the address to go by.
	byPort := false
	for _, p := range seen {
		byPort = byPort || !p.Out && int(p.Dst.Port()) == port && p.Src.Port() == local.Port()
	}
	its := func(a netip.AddrPort) bool {
		if byPort {
			return a.Port() == local.Port()
		}
		for _, f := range from {
			if a.Addr() == f {
				return true
			}
		}
		return false
	}
	for _, p := range seen {
		switch {
		case !p.Out && p.Syn && !p.Ack && int(p.Dst.Port()) == port && its(p.Src):
			w.In += p.Count
		case p.Out && int(p.Src.Port()) == port && its(p.Dst) && p.Ack:
			w.Out += p.Count
		}
	}
	return w
}
