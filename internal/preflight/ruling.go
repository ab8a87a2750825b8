package preflight

import (
	"fmt"
	"net/netip"
	"strings"
)

// shared is the range of carriers' NATs.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Verdict is what a firewall does with the first packet of a connection.
type Verdict string

// Verdicts.
const (
	NoVerdict Verdict = ""        // the rules could not be read
	Accepts   Verdict = "accepts" // or there is no firewall
	Drops     Verdict = "drops"
	Rejects   Verdict = "rejects"
	Perhaps   Verdict = "perhaps" // a rule that is not understood may decide
)

// Ruling is what a machine's own firewall says of a connection.
type Ruling struct {
	Verdict Verdict
	Rule    string // what decides, as the machine writes it
	Tool    string // "nft" or "iptables"; "" is none
}

// Accept is a command that admits a source to a port; "" admits all.
func (r Ruling) Accept(port int, source string) string {
	if r.Tool == "nft" && r.Rule != "" {
		from := ""
		if source != "" {
			from = "ip saddr " + source + " "
		}
		return fmt.Sprintf("admit %stcp dport %d before that rule, as in nft insert rule … %stcp dport %d accept", from, port, from, port)
	}
	from := ""
	if source != "" {
		from = " -s " + source
	}
	return fmt.Sprintf("iptables -I INPUT%s -p tcp --dport %d -j ACCEPT, or the same in its firewall's own configuration", from, port)
}

// Firewall is the text of a machine's rules, as its tools print them.
type Firewall struct {
	NFT      string `json:"nft"`      // nft -j list ruleset; "" is none
	IPTables string `json:"iptables"` // iptables-save; "" is none
	// Problem says why they could not be read; "" when they could.
	Problem string `json:"problem"`
}

// Packet is the first packet of a connection, as a firewall sees it.
type Packet struct {
	Src, Dst netip.Addr
	Port     uint16 // destination
	Out      bool   // it leaves the machine
}

// Rule says what a machine's firewall does with a packet: dropped by one table it is
// dropped, whatever the others say. Pure.
func (f Firewall) Rule(p Packet) Ruling {
	if f.Problem != "" && f.NFT == "" && f.IPTables == "" {
		return Ruling{}
	}
	rulings := []Ruling{nftRuling(f.NFT, p, strings.TrimSpace(f.IPTables) != ""), iptablesRuling(f.IPTables, p)}
	best := Ruling{Verdict: Accepts}
	for _, want := range []Verdict{Perhaps, Rejects, Drops} {
		for _, r := range rulings {
			if r.Verdict == want {
				best = r
			}
		}
	}
	return best
}

// answer has three values: a rule matches, does not, or nobody knows.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func and(a, b answer) answer { return min(a, b) }

func not(a answer) answer { return yes - a }

func whether(b bool) answer {
	if b {
		return yes
	}
	return no
}

// mostSteps bounds how many rules are followed for one packet: rules that jump in
// circles, which no kernel takes, would never end.
const mostSteps = 20_000

// doubts are rules that may decide and are not understood: the first that would admit
// the packet, and the first that would not.
type doubts struct{ admit, deny string }

// add notes a rule that would do v; "" is whatever.
func (d *doubts) add(v Verdict, rule string) {
	if v != Drops && v != Rejects && d.admit == "" {
		d.admit = rule
	}
	if v != Accepts && d.deny == "" {
		d.deny = rule
	}
}

// settle is the ruling, unless a doubt could have changed it.
func (d doubts) settle(r Ruling) Ruling {
	doubt := d.deny
	if r.Verdict != Accepts {
		doubt = d.admit
	}
	if doubt == "" {
		return r
	}
	return Ruling{Verdict: Perhaps, Rule: doubt, Tool: r.Tool}
}
