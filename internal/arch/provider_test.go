package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// asksAllowed may ask which provider a cluster is of: the table, what is behind it, and
// the block that each provider has in spec, topology and plan.
var asksAllowed = []string{"internal/places", "internal/spec", "internal/topology", "internal/plan", "internal/price", "provision", "test"}

// Which provider it is, is asked in one place.
func TestNobodyAsksForTheProvider(t *testing.T) {
	bad, err := Asks(os.DirFS("../.."), asksAllowed)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bad {
		t.Error(line)
	}
	if len(bad) > 0 {
		t.Log("what differs between providers is a field of places.Place")
	}
}

// The check sees each way to ask, and nothing else.
func TestAsks(t *testing.T) {
	for body, want := range map[string]string{
		`if p.Provider == "ec2" {}`:                          "held against ec2",
		`if "hosts" != c.inv.Plan.Provider {}`:               "held against hosts",
		`if inv.CCM != nil {}`:                               "CCM held against nil",
		`if nil == c.inv.Remote {}`:                          "Remote held against nil",
		`_ = x && !(inv.Local == nil)`:                       "Local held against nil",
		`switch p.Provider { case "a": case "containers": }`: "case containers",
		`switch provider { case "local": }`:                  "case local",
		`if p.Provider == "" {}`:                             "",
		`if p.Partitioner == "local" {}`:                     "",
		`switch kind { case "local": }`:                      "",
		`if place.Cloud == nil {}`:                           "",
		`fmt.Println(p.Provider, inv.EC2)`:                   "",
	} {
		got, err := Asks(files(map[string]string{"a/a.go": "package a\nfunc f() { " + body + " }", "b/b.go": "package b\nfunc f() { " + body + " }"}), []string{"b"})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%s: %q", body, got)
		case want != "" && !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "a/a.go asks") && strings.HasSuffix(l, want) }):
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
