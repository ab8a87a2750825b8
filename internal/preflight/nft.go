package preflight

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The JSON that nft prints (libnftables-json(5)), as far as it is needed.
type nftChain struct {
	Family string          `json:"family"`
	Table  string          `json:"table"`
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	Hook   string          `json:"hook"`
	Prio   json.RawMessage `json:"prio"`
	Policy string          `json:"policy"`
}

type nftRule struct {
	Family string                       `json:"family"`
	Table  string                       `json:"table"`
	Chain  string                       `json:"chain"`
	Expr   []map[string]json.RawMessage `json:"expr"`
}

type nftSet struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Elem   []any  `json:"elem"`
}

type nftSets map[string]nftSet

// nftWalk goes through a ruleset with one packet.
type nftWalk struct {
	p     Packet
	rules map[string][]nftRule // by family, table and chain
	sets  nftSets
	doubts
	depth int
	steps int
}

func nftKey(family, table, name string) string { return family + " " + table + " " + name }

// nftRuling is what the hooks for arriving or for leaving packets do.
// Tables that iptables-save showed are left out: nft prints their matches without what
// is in them.
func nftRuling(text string, p Packet, shown bool) Ruling {
	if strings.TrimSpace(text) == "" {
		return Ruling{Verdict: Accepts}
	}
	var doc struct {
		Nftables []struct {
			Chain *nftChain `json:"chain"`
			Rule  *nftRule  `json:"rule"`
			Set   *nftSet   `json:"set"`
			Map   *nftSet   `json:"map"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return Ruling{Verdict: Perhaps, Rule: "rules that nft printed and that can't be read", Tool: "nft"}
	}
	w := nftWalk{p: p, rules: map[string][]nftRule{}, sets: nftSets{}}
	var base []nftChain
	for _, d := range doc.Nftables {
		switch {
		case d.Chain != nil && d.Chain.Hook != "":
			base = append(base, *d.Chain)
		case d.Rule != nil:
			k := nftKey(d.Rule.Family, d.Rule.Table, d.Rule.Chain)
			w.rules[k] = append(w.rules[k], *d.Rule)
		case d.Set != nil:
			w.sets[nftKey(d.Set.Family, d.Set.Table, d.Set.Name)] = *d.Set
		}
	}
	hooks := []string{"prerouting", "input"}
	if p.Out {
		hooks = []string{"output", "postrouting"}
	}
	slices.SortStableFunc(base, func(a, b nftChain) int {
		return cmp.Or(slices.Index(hooks, a.Hook)-slices.Index(hooks, b.Hook), a.prio()-b.prio())
	})
	for _, c := range base {
		if !slices.Contains(hooks, c.Hook) || c.Type == "nat" || !w.family(c.Family) || shown && ofIptables(c) {
			continue
		}
		v, rule := w.chain(nftKey(c.Family, c.Table, c.Name))
		if v == NoVerdict {
			v = Accepts
			if c.Policy == "drop" {
				v, rule = Drops, fmt.Sprintf("policy drop of chain %s in table %s %s", c.Name, c.Family, c.Table)
			}
		}
		if v == Drops || v == Rejects {
			return w.settle(Ruling{Verdict: v, Rule: rule, Tool: "nft"})
		}
	}
	return w.settle(Ruling{Verdict: Accepts, Tool: "nft"})
}

// prio is where a base chain stands among those of its hook, lowest first. Tools of old
// write a name and an offset: "filter - 10".
func (c nftChain) prio() int {
	var n int
	if json.Unmarshal(c.Prio, &n) == nil {
		return n
	}
	var text string
	if json.Unmarshal(c.Prio, &text) != nil {
		return 0
	}
	name, offset, _ := strings.Cut(strings.ReplaceAll(text, " ", ""), "+")
	sign := 1
	if before, after, ok := strings.Cut(name, "-"); ok {
		name, offset, sign = before, after, -1
	}
	n = map[string]int{"raw": -300, "mangle": -150, "dstnat": -100, "security": 50, "srcnat": 100}[name]
	if more, err := strconv.Atoi(offset); err == nil {
		n += sign * more
	}
	return n
}

func ofIptables(c nftChain) bool {
	return (c.Family == "ip" || c.Family == "ip6") && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, c.Table)
}

// family says whether a table sees the packet.
func (w *nftWalk) family(f string) bool {
	switch f {
	case "inet":
		return true
	case "ip":
		return w.p.Dst.Is4()
	case "ip6":
		return w.p.Dst.Is6()
	}
	return false
}

// chain walks one chain; NoVerdict is that nothing in it decided.
func (w *nftWalk) chain(key string) (Verdict, string) {
	const deepest = 16
	if w.depth >= deepest {
		return NoVerdict, ""
	}
	w.depth++
	defer func() { w.depth-- }()
	for _, r := range w.rules[key] {
		if w.steps++; w.steps > mostSteps {
			w.add(NoVerdict, "more rules than are followed")
			return NoVerdict, ""
		}
		match, v, jump := w.rule(r)
		if match == no {
			continue
		}
		text := nftText(r)
		switch {
		case v == "return":
			if match == yes {
				return NoVerdict, ""
			}
			w.add(NoVerdict, text)
		case jump != "":
			if match == maybe {
				w.add(NoVerdict, text)
				continue
			}
			if v, rule := w.chain(nftKey(r.Family, r.Table, jump)); v != NoVerdict {
				return v, rule
			}
		case v != "":
			if match == yes {
				return Verdict(v), text
			}
			w.add(Verdict(v), text)
		}
	}
	return NoVerdict, ""
}

// rule says whether a rule matches, and what it then does.
func (w *nftWalk) rule(r nftRule) (match answer, verdict, jump string) {
	match = yes
	for _, e := range r.Expr {
		for kind, raw := range e {
			switch kind {
			case "match":
				match = and(match, w.match(r, raw))
			case "accept":
				verdict = string(Accepts)
			case "drop":
				verdict = string(Drops)
			case "reject":
				verdict = string(Rejects)
			case "return":
				verdict = "return"
			case "jump", "goto":
				var to struct {
					Target string `json:"target"`
				}
				if json.Unmarshal(raw, &to) == nil {
					jump = to.Target
				}
			case "counter", "log", "comment", "mangle", "meta", "ct count", "notrack", "nftrace":
			case "vmap":
				v, known := w.vmap(raw)
				if !known {
					return and(match, maybe), string(NoVerdict), "?"
				}
				verdict = v
			default: // limit, xt, and whatever else may match or not
				match = and(match, maybe)
			}
			if match == no {
				return no, "", ""
			}
		}
	}
	return match, verdict, jump
}

// vmap reads a map of connection states or ports to verdicts.
func (w *nftWalk) vmap(raw json.RawMessage) (verdict string, known bool) {
	var m struct {
		Key  any `json:"key"`
		Data struct {
			Set [][2]json.RawMessage `json:"set"`
		} `json:"data"`
	}
	if json.Unmarshal(raw, &m) != nil || m.Data.Set == nil {
		return "", false
	}
	value, ok := w.value(m.Key)
	if !ok {
		return "", false
	}
	for _, pair := range m.Data.Set {
		var key any
		var does map[string]json.RawMessage
		if json.Unmarshal(pair[0], &key) != nil || json.Unmarshal(pair[1], &does) != nil {
			return "", false
		}
		if w.within(value, key, nftRule{}) != yes {
			continue
		}
		for kind := range does {
			switch kind {
			case "accept":
				return string(Accepts), true
			case "drop":
				return string(Drops), true
			}
			return "", false
		}
	}
	return "", true
}

func (w *nftWalk) match(r nftRule, raw json.RawMessage) answer {
	var m struct {
		Op    string `json:"op"`
		Left  any    `json:"left"`
		Right any    `json:"right"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return maybe
	}
	value, ok := w.value(m.Left)
	if !ok {
		return maybe
	}
	a := w.within(value, m.Right, r)
	switch m.Op {
	case "==", "in":
		return a
	case "!=":
		return not(a)
	}
	return maybe
}

// value is what the packet has of a field: a text, a number or an address. A device
// is only known not to be lo.
func (w *nftWalk) value(left any) (any, bool) {
	l, ok := left.(map[string]any)
	if !ok {
		return nil, false
	}
	get := func(kind, field string) string {
		if m, ok := l[kind].(map[string]any); ok {
			s, _ := m[field].(string)
			return s
		}
		return ""
	}
	switch protocol, field := get("payload", "protocol"), get("payload", "field"); {
	case (protocol == "tcp" || protocol == "th") && field == "dport":
		return float64(w.p.Port), true
	case protocol == "tcp" && field == "flags":
		return "syn", true
	case protocol == "udp" || protocol == "icmp" || protocol == "icmpv6":
		return "another protocol", true
	case (protocol == "ip" || protocol == "ip6") && field == "saddr":
		return w.p.Src, w.p.Src.IsValid()
	case (protocol == "ip" || protocol == "ip6") && field == "daddr":
		return w.p.Dst, w.p.Dst.IsValid()
	case protocol == "ip" && field == "protocol", protocol == "ip6" && field == "nexthdr":
		return "tcp", true
	}
	switch get("meta", "key") {
	case "l4proto":
		return "tcp", true
	case "nfproto":
		if w.p.Dst.Is4() {
			return "ipv4", true
		}
		return "ipv6", true
	case "iif", "iifname", "oif", "oifname":
		return device{}, true
	}
	if get("ct", "key") == "state" {
		return "new", true
	}
	return nil, false
}

// device stands for one that is not the loopback, and whose name is not known.
type device struct{}

// within says whether a value is what stands on the right: itself, one of a set, in
// a range or a prefix.
func (w *nftWalk) within(value, right any, r nftRule) answer {
	switch x := right.(type) {
	case []any:
		a := no
		for _, e := range x {
			a = max(a, w.within(value, e, r))
		}
		return a
	case map[string]any:
		if set, ok := x["set"].([]any); ok {
			return w.within(value, set, r)
		}
		if e, ok := x["elem"].(map[string]any); ok {
			return w.within(value, e["val"], r)
		}
		if p, ok := x["prefix"].(map[string]any); ok {
			text, _ := p["addr"].(string)
			bits, _ := p["len"].(float64)
			addr, err := netip.ParseAddr(text)
			v, isAddr := value.(netip.Addr)
			if err != nil || !isAddr {
				return maybe
			}
			return whether(netip.PrefixFrom(addr, int(bits)).Contains(v))
		}
		if bounds, ok := x["range"].([]any); ok && len(bounds) == 2 {
			return inRange(value, bounds)
		}
		return maybe
	case string:
		if name, ok := strings.CutPrefix(x, "@"); ok {
			set, known := w.sets[nftKey(r.Family, r.Table, name)]
			if !known {
				return maybe
			}
			return w.within(value, set.Elem, r)
		}
		switch v := value.(type) {
		case device:
			if x == "lo" {
				return no
			}
			return maybe
		case netip.Addr:
			addr, err := netip.ParseAddr(x)
			return min(whether(err == nil && addr == v), yes)
		case string:
			return whether(v == x)
		}
		return maybe
	case float64:
		v, ok := value.(float64)
		return whether(ok && v == x)
	}
	return maybe
}

func inRange(value any, bounds []any) answer {
	switch v := value.(type) {
	case float64:
		from, ok1 := bounds[0].(float64)
		to, ok2 := bounds[1].(float64)
		return whether(ok1 && ok2 && v >= from && v <= to)
	case netip.Addr:
		low, _ := bounds[0].(string)
		high, _ := bounds[1].(string)
		from, err1 := netip.ParseAddr(low)
		to, err2 := netip.ParseAddr(high)
		return whether(err1 == nil && err2 == nil && !v.Less(from) && !to.Less(v))
	}
	return maybe
}
