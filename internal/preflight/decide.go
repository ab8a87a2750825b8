package preflight

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is a diagnosis: who, if anybody, keeps a connection from being made.
type Kind string

// Diagnoses.
const (
	OK            Kind = "ok"
	NobodyListens Kind = "nobody listens"           // the machine is reached, and nothing is there
	ClosedOnHost  Kind = "closed on the host"       // the receiver's own firewall
	ClosedBySelf  Kind = "closed on the sender"     // the sender's own firewall
	ClosedByGroup Kind = "closed by the group"      // security group, or a firewall before the host
	ClosedOnWay   Kind = "closed on the way"        // somewhere between, on neither side's own ground
	ClosedByOwn   Kind = "closed on your network"   // the network that crossring runs in
	WayBack       Kind = "no way back"              // it arrives and is answered, and the answer does not
	CutOff        Kind = "cut off after connecting" // something on the way looks into connections
	NoRoute       Kind = "no route"
	Faulted       Kind = "fault of crossring's own" // crossring fault, or a keeper that is gone
	LosesBig      Kind = "loses big packets"        // small ones pass, full ones vanish
	NotTried      Kind = "not tried"
)

// Diagnosis is what an observation comes to.
type Diagnosis struct {
	Kind Kind
	// Means says it in a sentence, with what it was seen by; Change says what to do.
	Means  string
	Change string
	// Sure is false where the evidence leaves room: neither end could be watched and
	// no rules could be read.
	Sure bool
}

// Decide tells who keeps a connection from being made. What was seen at the devices
// of both ends comes first, then rules that were read, then the comparison with
// other senders and other ports. Pure.
func Decide(o Observation) Diagnosis {
	if o.Fault != "" {
		// Whatever it looks like: the WAN takes connections in place of the machine.
		return Diagnosis{Faulted, o.Fault, o.Heal, true}
	}
	switch o.Tried.State {
	case Open:
		if o.Tried.TLS == TLSSilent && o.Listener == ByProbe {
			return Diagnosis{CutOff, "plain bytes pass, and a TLS handshake is not answered: something on the way swallows TLS",
				"take the inspection of TLS off the way to " + o.target(), true}
		}
		d := Diagnosis{Kind: OK, Sure: true}
		if o.Listener == ByProbe && o.Need.Purpose == Extra {
			d.Means = "the way is open; crossring's own probe answered, since nothing listens at " + o.target() + " now"
		}
		return d
	case Untried:
		return Diagnosis{NotTried, o.Need.From + " could not be used to try it: " + o.Tried.Error, "see that " + o.Need.From + " can be logged in to", true}
	}
	switch o.Tried.State {
	case Unreachable:
		return o.unreachable()
	case Reset, Swallowed:
		return o.afterConnecting()
	case Refused:
		return o.refused()
	}
	return o.silent()
}

func (o Observation) target() string { return fmt.Sprintf("%s port %d", o.Need.To, o.Need.Port) }

// opening is the rule that is missing, in the words of whoever has to write it.
func (o Observation) opening() string {
	return fmt.Sprintf("TCP %d from %s to %s (%s)", o.Need.Port, o.source(), o.Need.To, o.Need.Address)
}

// source is how the receiver's side knows the sender.
func (o Observation) source() string {
	switch {
	case o.Tried.SeenAs.IsValid():
		return o.Tried.SeenAs.Addr().String() + " (" + o.Need.From + ")"
	case o.Need.From == Here:
		return "your public address"
	case o.Tried.Local.IsValid():
		return o.Need.From
	}
	return o.Need.From
}

func (o Observation) unreachable() Diagnosis {
	if o.Receiver.Asked && o.Receiver.In > 0 {
		return o.onHost("forbids it with an ICMP message")
	}
	if o.SenderRule.Verdict == Drops || o.SenderRule.Verdict == Rejects {
		return o.bySelf()
	}
	if o.HostRule.Verdict == Rejects && !o.Receiver.Asked {
		return o.onHost("forbids it with an ICMP message")
	}
	if o.Receiver.Asked && (!o.Sender.Asked || o.Sender.Out > 0) {
		return o.before("forbids it with an ICMP message") // the machine is there, and hears nothing of it
	}
	return Diagnosis{NoRoute, fmt.Sprintf("%s has no way to %s: %s", o.Need.From, o.Need.Address, o.Tried.Error),
		fmt.Sprintf("check the routes of %s, and the address %s", o.Need.From, o.Need.Address), true}
}

func (o Observation) afterConnecting() Diagnosis {
	what := "is reset"
	if o.Tried.State == Swallowed {
		what = "hears nothing more"
	}
	if o.Listener == ByNobody {
		// A proxy or a NAT that answers for a machine behind it.
		return Diagnosis{NobodyListens, fmt.Sprintf("something answers for %s, and the connection then %s: nothing listens behind it", o.target(), what),
			o.Start + "   # if the node should run", true}
	}
	return Diagnosis{CutOff, fmt.Sprintf("a connection to %s stands and then %s: something on the way answers in its place or looks into it", o.target(), what),
		"take the proxy or the inspecting firewall off the way, or let it pass " + o.opening(), true}
}

// refused: somebody answered no, at once.
func (o Observation) refused() Diagnosis {
	if o.Elsewhere && o.HostRule.Verdict != Rejects && (!o.Receiver.Asked || o.Receiver.In > 0) {
		return Diagnosis{NobodyListens, fmt.Sprintf("nobody listens at %s, which is an address of %s itself: what listens there listens at its private address", o.Need.Address, o.Need.To),
			fmt.Sprintf("write private: %s for the machine in the inventory file; for the other nodes alone Cassandra 3.11 and newer listen at both addresses after the next up", o.Need.Address), true}
	}
	heard := o.Listener == ByProbe || o.Listener == ByServer
	arrived := o.Receiver.In > 0
	switch {
	case o.Sender.Asked && o.Sender.Out == 0 && o.Need.From != o.Need.To && o.SenderRule.Verdict != Accepts && o.Receiver.Asked && !arrived:
		return o.bySelf()
	case o.Receiver.Asked && !arrived:
		// The answer came from before the machine.
		return o.before("refuses it")
	case o.Listener == Unknown && o.HostRule.Verdict == NoVerdict:
		return Diagnosis{NobodyListens, o.target() + " is refused: nothing listens there, or a firewall rejects it; the machine could not be asked",
			"see on the machine whether something listens at port " + strconv.Itoa(o.Need.Port), false}
	case !heard && o.HostRule.Verdict != Rejects:
		return Diagnosis{NobodyListens, "the machine answers and nothing listens at " + o.target(), o.Start + "   # if the node should run", o.Listener == ByNobody}
	case o.Receiver.Asked && heard, o.HostRule.Verdict == Rejects:
		return o.onHost("rejects it")
	case o.HostRule.Verdict == Accepts:
		return o.before("refuses it")
	}
	d := o.onHost("rejects it")
	d.Sure = false
	d.Means = fmt.Sprintf("%s is refused though something listens: by the machine's firewall, or by one before it; its rules could not be read", o.target())
	return d
}

// silent: nothing came back.
func (o Observation) silent() Diagnosis {
	switch {
	case o.Sender.Asked && o.Sender.Out == 0:
		return o.bySelf()
	case o.Receiver.Asked && o.Receiver.In > 0 && o.Receiver.Out == 0:
		return o.onHost("drops it")
	case o.Receiver.Asked && o.Receiver.In > 0 && o.Sender.Asked && o.Sender.In > 0:
		d := o.bySelf()
		d.Means = fmt.Sprintf("the answer of %s arrives at %s, whose own firewall drops it%s", o.target(), o.Need.From, because(o.SenderRule))
		return d
	case o.Receiver.Asked && o.Receiver.In > 0:
		return Diagnosis{WayBack, fmt.Sprintf("%s gets the packets of %s and answers, and the answer is lost on the way", o.Need.To, o.Need.From),
			fmt.Sprintf("look at routes and firewalls on the way from %s (%s) back to %s: a firewall that sees one direction only drops such answers", o.Need.To, o.Need.Address, o.Need.From), true}
	case o.Receiver.Asked:
		return o.before("drops it")
	case o.SenderRule.Verdict == Drops:
		return o.bySelf()
	case o.HostRule.Verdict == Drops:
		return o.onHost("drops it")
	}
	return o.before("drops it")
}

// before is for packets that do not arrive at the machine, and were not seen to be
// kept by the sender: whose firewall is it?
func (o Observation) before(does string) Diagnosis {
	seen := "its packets do not arrive at " + o.Need.To
	sure := o.Receiver.Asked
	if !sure {
		seen = "nothing comes back from " + o.Need.To
		if o.HostRule.Verdict == Accepts {
			seen += ", whose own firewall admits it"
			sure = true
		}
	}
	group := func(why string) Diagnosis {
		return Diagnosis{ClosedByGroup, fmt.Sprintf("the security group, or a firewall before %s, %s: %s%s", o.Need.To, does, seen, why),
			"open in the group of " + o.Need.To + ": " + o.opening(), sure}
	}
	own := func(why string) Diagnosis {
		change := "let your network's firewall pass TCP " + strconv.Itoa(o.Need.Port) + " outwards"
		if o.OtherPort != 0 {
			change += ", or go through SSH: " + o.Tunnel
		}
		return Diagnosis{ClosedByOwn, fmt.Sprintf("your own network %s: %s%s", does, seen, why), change, sure}
	}
	if o.Group == GroupClosed {
		return group("; no rule of it admits this")
	}
	if o.Need.From != Here {
		if o.Group == GroupOpen {
			return Diagnosis{ClosedOnWay, fmt.Sprintf("%s; the group admits it, so something else on the way %s", seen, does),
				"look at network ACLs, routes and firewalls between " + o.Need.From + " and " + o.Need.To + ": they must pass " + o.opening(), sure}
		}
		return group("")
	}
	other := ""
	if o.OtherPort != 0 {
		other = fmt.Sprintf("; port %d of the same machine passes", o.OtherPort)
	}
	if where, ok := diverges(o.Trace, o.OtherTrace, o.Need.Address); ok {
		// The last router that answers for this port, while packets to the other port
		// get further, is the one that keeps them, or stands before it.
		if where.own {
			return own(fmt.Sprintf("%s; packets to this port get no further than %s", other, where.text))
		}
		if where.last {
			return group(fmt.Sprintf("%s; packets to this port get as far as %s, the last router that answers before it", other, where.text))
		}
		return Diagnosis{ClosedOnWay, fmt.Sprintf("%s%s; packets to this port get no further than %s", seen, other, where.text),
			"ask the provider of " + where.text + ", or go through SSH: " + o.Tunnel, sure}
	}
	if o.Group == GroupOpen {
		return own(other + "; the group admits it")
	}
	if len(o.Reached) > 0 {
		d := own(fmt.Sprintf("%s; %s reached it", other, strings.Join(o.Reached, ", ")))
		d.Sure = false
		d.Means += "; a group that admits them and not you looks the same"
		d.Change += "; or open in the group " + o.opening()
		return d
	}
	d := group(other)
	d.Sure = false
	d.Means += "; if it is not, your own network " + does
	return d
}

func (o Observation) onHost(does string) Diagnosis {
	who := o.Need.To
	change := fmt.Sprintf("on %s: %s", who, o.HostRule.Accept(o.Need.Port, o.sourceAddress()))
	return Diagnosis{ClosedOnHost, fmt.Sprintf("the firewall on %s itself %s%s", who, does, because(o.HostRule)), change, true}
}

func (o Observation) bySelf() Diagnosis {
	d := Diagnosis{ClosedBySelf, fmt.Sprintf("the firewall on %s itself does not let it out%s", o.Need.From, because(o.SenderRule)),
		fmt.Sprintf("on %s: let out TCP to %s port %d", o.Need.From, o.Need.Address, o.Need.Port), true}
	if o.Need.From == Here {
		d.Means = "the firewall on this computer does not let it out" + because(o.SenderRule)
		d.Change = fmt.Sprintf("on this computer: let out TCP to %s port %d", o.Need.Address, o.Need.Port)
	}
	return d
}

func (o Observation) sourceAddress() string {
	if o.Tried.SeenAs.IsValid() {
		return o.Tried.SeenAs.Addr().String()
	}
	return ""
}

func because(r Ruling) string {
	if r.Rule == "" {
		return ""
	}
	return ": " + r.Rule
}

// place is where on the way packets to one port end that go on to another.
type place struct {
	text string
	own  bool // on the sender's side
	last bool // it is the last router before the machine
}

// diverges compares two traces from here to one machine, to a port that is closed and
// to one that is open. ok is false where they tell nothing.
func diverges(closed, open []Hop, machine string) (p place, ok bool) {
	last := func(hops []Hop) Hop { // of the routers
		var h Hop
		for _, x := range hops {
			if x.Addr.IsValid() && x.Addr.String() != machine {
				h = x
			}
		}
		return h
	}
	a, b := last(closed), last(open)
	switch {
	case !b.Addr.IsValid():
		return place{}, false
	case !a.Addr.IsValid():
		// Not even the first router let it pass, or none answers for it.
		return place{text: "this computer's own network", own: true}, true
	}
	// What stands behind a router is on its network as long as its address is private.
	own := a.Addr.IsPrivate() || a.Addr.IsLinkLocalUnicast() || shared.Contains(a.Addr)
	if a.TTL < b.TTL {
		return place{text: a.Addr.String(), own: own}, true
	}
	// Further routers that answer nobody may stand behind one's own: then it tells nothing.
	return place{text: a.Addr.String(), last: true}, !own
}

// DecideBulk tells what is wrong with a path that carries little and not much. ok is
// true for one that is well, or was not measured.
func DecideBulk(n Need, b Bulk) (d Diagnosis, ok bool) {
	if !b.Stalled {
		return Diagnosis{}, true
	}
	size := "none of those tried get through"
	change := "look at the way"
	if b.WorkingMTU > 0 {
		size = fmt.Sprintf("packets of up to %d bytes get through", b.WorkingMTU)
		change = fmt.Sprintf("let ICMP \"fragmentation needed\" pass, or set the MTU to %d on both machines", b.WorkingMTU)
	}
	return Diagnosis{LosesBig, fmt.Sprintf("a connection from %s to %s stands, and full packets of %d bytes vanish without a word; %s",
		n.From, n.To, b.DeviceMTU, size), change, true}, false
}
