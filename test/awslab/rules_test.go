//go:build linux

package awslab

import (
	"slices"
	"strings"
	"testing"
)

func TestRuleset(t *testing.T) {
	hosts := []endpoint{
		{id: "i-0b", region: "us-west-2", private: "10.22.0.10", public: "198.51.100.10", groups: []string{"sg-2"}},
		{id: "i-0a", region: "us-east-1", private: "10.11.0.10", public: "203.0.113.10", groups: []string{"sg-1"}},
		{id: "i-0c", region: "us-east-1", private: "10.11.0.11", groups: []string{"sg-1"}},
	}
	groups := map[string][]permission{
		"sg-1": {
			{protocol: "tcp", from: 7000, to: 7000, cidrs: []string{"198.51.100.10/32"}, groups: []string{"sg-1"}},
			{protocol: "tcp", from: 22, to: 23, cidrs: []string{"192.0.2.0/24", "0.0.0.0/0"}},
			{protocol: "icmp", cidrs: []string{"192.0.2.4/32"}},
		},
		"sg-2": {{protocol: "-1", cidrs: []string{"192.0.2.4/32"}}, {protocol: "58", cidrs: []string{"192.0.2.4/32"}}},
	}
	subnets := map[string]string{"us-east-1": "10.11.0.0/24", "us-west-2": "10.22.0.0/24"}
	text := ruleset(hosts, groups, subnets)
	want := `add table ip lab
delete table ip lab
table ip lab {
chain in { type nat hook prerouting priority dstnat;
ip daddr 203.0.113.10 dnat to 10.11.0.10
ip daddr 198.51.100.10 dnat to 10.22.0.10
}
chain out { type nat hook postrouting priority srcnat;
ip saddr 10.11.0.10 ct original ip daddr != 10.11.0.0/24 snat to 203.0.113.10
ip saddr 10.22.0.10 ct original ip daddr != 10.22.0.0/24 snat to 198.51.100.10
}
chain private { type filter hook forward priority filter;
ct state established,related accept
ct original ip daddr 10.11.0.0/24 ip saddr != 10.11.0.0/24 drop
ct original ip daddr 10.22.0.0/24 ip saddr != 10.22.0.0/24 drop
}
chain i_0a {
ip saddr 198.51.100.10 tcp dport 7000-7000 accept
ip saddr 10.11.0.10 tcp dport 7000-7000 accept
ip saddr 10.11.0.11 tcp dport 7000-7000 accept
ip saddr 0.0.0.0/0 tcp dport 22-23 accept
ip saddr 192.0.2.4 meta l4proto icmp accept
drop
}
chain i_0b {
ip saddr 192.0.2.4  accept
drop
}
chain i_0c {
ip saddr 198.51.100.10 tcp dport 7000-7000 accept
ip saddr 10.11.0.10 tcp dport 7000-7000 accept
ip saddr 10.11.0.11 tcp dport 7000-7000 accept
ip saddr 0.0.0.0/0 tcp dport 22-23 accept
ip saddr 192.0.2.4 meta l4proto icmp accept
drop
}
chain groups { type filter hook postrouting priority srcnat + 50;
ct state established,related accept
ip daddr 10.11.0.10 jump i_0a
ip daddr 10.22.0.10 jump i_0b
ip daddr 10.11.0.11 jump i_0c
}
}
`
	if text != want {
		t.Errorf("%s", text)
	}
	slices.Reverse(hosts)
	if ruleset(hosts, groups, subnets) != text {
		t.Error("the order of the hosts matters")
	}
}

func TestAddresses(t *testing.T) {
	a := newAddresses()
	of := func(region string, private bool, emulated, want string) {
		t.Helper()
		if got, err := a.of(region, private, emulated); err != nil || got != want {
			t.Errorf("%s of %s is %s (%v), want %s", emulated, region, got, err, want)
		}
	}
	of("us-east-1", true, "172.31.0.4", "10.11.0.10")
	of("us-west-2", true, "172.31.0.4", "10.22.0.10")
	of("us-east-1", false, "127.83.1.2", "203.0.113.10")
	of("us-east-1", true, "172.31.0.5", "10.11.0.11")
	of("us-east-1", true, "172.31.0.4", "10.11.0.10")
	of("us-east-1", false, "203.0.113.10", "203.0.113.10")
	of("eu-west-1", true, "172.31.0.4", "10.33.0.10")
	of("eu-west-1", false, "127.83.1.2", "198.18.0.10")
	if _, err := a.of("eu-central-1", true, "172.31.0.4"); err == nil || !strings.Contains(err.Error(), "eu-central-1") {
		t.Errorf("a region without hosts: %v", err)
	}
	if _, err := a.of("us-east-1", true, "nonsense"); err == nil {
		t.Error("no address is taken for one")
	}
	for n := range lastNumber - firstNumber - 1 {
		if _, err := a.of("us-east-1", true, nth(spaces["us-west-2"].public, n)); err != nil {
			t.Fatalf("address %d: %v", n, err)
		}
	}
	if _, err := a.of("us-east-1", true, "192.0.2.9"); err == nil {
		t.Error("more addresses than there are")
	}
}
