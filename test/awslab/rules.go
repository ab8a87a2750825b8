//go:build linux

package awslab

import (
	"fmt"
	"slices"
	"strings"
)

// endpoint is a host as the router knows it.
type endpoint struct {
	id      string // of the instance
	region  string
	private string
	public  string // "" while it has none
	groups  []string
}

// permission is one inbound rule of a security group.
type permission struct {
	protocol string // tcp, udp, icmp, or -1 for all
	from, to int    // ports; of tcp and udp alone
	cidrs    []string
	groups   []string
}

// ruleset is what the router does, for nft: 1:1 NAT, private addresses that end at
// their region, and security groups. Sources are looked at behind the NAT, as the
// receiver sees them: public addresses between regions, private ones within. It
// depends on nothing but its arguments, and their order does not matter.
func ruleset(hosts []endpoint, groups map[string][]permission, subnets map[string]string) string {
	hosts = slices.SortedFunc(slices.Values(hosts), func(a, b endpoint) int { return strings.Compare(a.id, b.id) })
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	// A table that is not there can't be deleted; adding one that is does nothing.
	line("add table ip lab\ndelete table ip lab\ntable ip lab {")
	line("chain in { type nat hook prerouting priority dstnat;")
	for _, h := range hosts {
		if h.public != "" {
			line("ip daddr %s dnat to %s", h.public, h.private)
		}
	}
	line("}\nchain out { type nat hook postrouting priority srcnat;")
	for _, h := range hosts {
		if h.public != "" {
			line("ip saddr %s ct original ip daddr != %s snat to %s", h.private, subnets[h.region], h.public)
		}
	}
	line("}\nchain private { type filter hook forward priority filter;\nct state established,related accept")
	for _, region := range slices.Sorted(keys(subnets)) {
		line("ct original ip daddr %[1]s ip saddr != %[1]s drop", subnets[region])
	}
	line("}")
	for _, h := range hosts {
		line("chain %s {", chain(h.id))
		for _, g := range h.groups {
			for _, p := range groups[g] {
				what, ok := matching(p)
				for _, source := range sources(p, hosts) {
					if ok {
						line("ip saddr %s %s accept", source, what)
					}
				}
			}
		}
		line("drop\n}")
	}
	line("chain groups { type filter hook postrouting priority srcnat + 50;\nct state established,related accept")
	for _, h := range hosts {
		line("ip daddr %s jump %s", h.private, chain(h.id))
	}
	line("}\n}")
	return b.String()
}

func chain(instance string) string { return strings.ReplaceAll(instance, "-", "_") }

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// matching is the part of a rule that says which packets.
func matching(p permission) (string, bool) {
	switch p.protocol {
	case "-1":
		return "", true
	case "icmp":
		return "meta l4proto icmp", true
	case "tcp", "udp":
		return fmt.Sprintf("%s dport %d-%d", p.protocol, p.from, p.to), true
	}
	return "", false
}

// sources are the addresses that a rule lets in. A group is its members' private
// addresses, so who comes by a public one is not meant.
func sources(p permission, hosts []endpoint) []string {
	var list []string
	add := func(s string) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	for _, c := range p.cidrs {
		if strings.HasSuffix(c, "/0") {
			return []string{"0.0.0.0/0"}
		}
		add(strings.TrimSuffix(c, "/32"))
	}
	for _, g := range p.groups {
		for _, h := range hosts {
			if slices.Contains(h.groups, g) {
				add(h.private)
			}
		}
	}
	return list
}
