package preflight

import (
	"net/netip"
	"strconv"
	"strings"
)

// iptablesRuling reads what iptables-save prints: the filter, mangle and raw tables'
// built-in chains for arriving or leaving packets.
func iptablesRuling(text string, p Packet) Ruling {
	w := iptablesWalk{p: p, rules: map[string][]string{}, policy: map[string]string{}}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			if f := strings.Fields(line[1:]); len(f) >= 2 {
				w.policy[table+" "+f[0]] = f[1]
			}
		case strings.HasPrefix(line, "-A "):
			chain, rule, _ := strings.Cut(line[3:], " ")
			w.rules[table+" "+chain] = append(w.rules[table+" "+chain], rule)
		}
	}
	chains := []string{"raw PREROUTING", "mangle PREROUTING", "mangle INPUT", "filter INPUT"}
	if p.Out {
		chains = []string{"raw OUTPUT", "mangle OUTPUT", "filter OUTPUT", "mangle POSTROUTING"}
	}
	for _, c := range chains {
		v, rule := w.chain(c, 0)
		if v == NoVerdict && w.policy[c] == "DROP" {
			v, rule = Drops, "policy DROP of chain "+c
		}
		if v == Drops || v == Rejects {
			return w.settle(Ruling{Verdict: v, Rule: rule, Tool: "iptables"})
		}
	}
	return w.settle(Ruling{Verdict: Accepts, Tool: "iptables"})
}

type iptablesWalk struct {
	p      Packet
	rules  map[string][]string // by table and chain
	policy map[string]string
	doubts
	steps int
}

func (w *iptablesWalk) chain(name string, depth int) (Verdict, string) {
	const deepest = 16
	table, _, _ := strings.Cut(name, " ")
	for _, rule := range w.rules[name] {
		if w.steps++; w.steps > mostSteps {
			w.add(NoVerdict, "more rules than are followed")
			return NoVerdict, ""
		}
		match, target := w.match(rule)
		if match == no {
			continue
		}
		var v Verdict
		switch target {
		case "ACCEPT":
			v = Accepts
		case "DROP":
			v = Drops
		case "REJECT":
			v = Rejects
		case "RETURN":
			if match == yes {
				return NoVerdict, ""
			}
		case "", "LOG", "NFLOG", "MARK", "CONNMARK", "CT", "TCPMSS", "TRACE", "NOTRACK":
			continue
		default:
			if match == yes && depth < deepest {
				if v, rule := w.chain(table+" "+target, depth+1); v != NoVerdict {
					return v, rule
				}
				continue
			}
		}
		if match == yes && v != NoVerdict {
			return v, "iptables -A " + strings.TrimPrefix(name, "filter ") + " " + rule
		}
		w.add(v, "iptables -A "+strings.TrimPrefix(name, "filter ")+" "+rule)
	}
	return NoVerdict, ""
}

// match says whether a rule matches the packet, and what it then does.
func (w *iptablesWalk) match(rule string) (answer, string) {
	words := iptablesWords(rule)
	match, target, invert := yes, "", false
	for i := 0; i < len(words); i++ {
		next := func() string {
			if i+1 < len(words) {
				i++
				return words[i]
			}
			return ""
		}
		is := func(a answer) {
			if invert {
				a = not(a)
			}
			match, invert = and(match, a), false
		}
		switch words[i] {
		case "!":
			invert = true
		case "-p", "--protocol":
			v := next()
			is(whether(v == "tcp" || v == "all"))
		case "-s", "--source":
			is(prefixHas(next(), w.p.Src))
		case "-d", "--destination":
			is(prefixHas(next(), w.p.Dst))
		case "-i", "-o", "--in-interface", "--out-interface":
			if next() == "lo" {
				is(no)
			} else {
				is(maybe)
			}
		case "--dport", "--destination-port", "--dports", "--destination-ports":
			is(portsHave(next(), w.p.Port))
		case "--ctstate", "--state":
			is(whether(strings.Contains(","+next()+",", ",NEW,")))
		case "-m", "--match":
			switch next() {
			case "tcp", "multiport", "conntrack", "state", "comment":
			default:
				is(maybe)
			}
		case "--comment", "--reject-with", "--log-prefix", "--log-level", "--nflog-group", "--nflog-prefix":
			next()
		case "--syn":
			is(yes)
		case "--tcp-flags":
			next()
			is(whether(strings.Contains(next(), "SYN")))
		case "-j", "--jump", "-g", "--goto":
			target = next()
		default:
			if strings.HasPrefix(words[i], "-") {
				is(maybe)
			}
		}
	}
	return match, target
}

// iptablesWords parts a rule at spaces outside of quotes.
func iptablesWords(rule string) []string {
	var words []string
	for i, part := range strings.Split(rule, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func prefixHas(text string, a netip.Addr) answer {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		one, err := netip.ParseAddr(text)
		if err != nil {
			return maybe
		}
		p = netip.PrefixFrom(one, one.BitLen())
	}
	if !a.IsValid() {
		return maybe
	}
	return whether(p.Contains(a))
}

// portsHave reads "7000", "7000:7010" and lists of them.
func portsHave(list string, port uint16) answer {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		from, err1 := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil {
			return maybe
		}
		if uint64(port) >= from && uint64(port) <= to {
			return yes
		}
	}
	return no
}
