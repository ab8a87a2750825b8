package test

import (
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/health"
)

// TestFaultsOfServers breaks servers and mends them, in good ways and in bad.
func TestFaultsOfServers(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	c := h.up(t, "hurt", oneByOne("hurt", "1.2.19"))
	first, second := c.servers(t)["us-east-1-1"], c.servers(t)["us-west-2-1"]
	// inForce runs a command and holds what it says is in force.
	inForce := func(want string, args ...string) result {
		t.Helper()
		r := c.must(t, append([]string{"fault"}, append(args, "-o", "json")...)...)
		var got []string
		for _, f := range decode[health.Network](t, r).Faults {
			got = append(got, f.String())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%v: in force %q, want %q", args, got, want)
		}
		return r
	}
	refused := func(why string, args ...string) {
		t.Helper()
		checkSays(t, c.want(t, fail.ExitUsage, append([]string{"fault"}, args...)...), why)
	}
	notes := func(r result, what string) {
		t.Helper()
		if !strings.Contains(r.stderr, what) {
			t.Errorf("want %q on stderr: %s", what, r)
		}
	}
	notes(inForce("", "heal", c.name), "no fault is in force on cluster hurt: there is nothing to heal")
	notes(inForce("", "heal", c.name, east, west), "no fault was in force that heal ends")
	refused("us-west-2-1 is not paused", "resume", c.name+":2")
	refused("fault pause is of one node", "pause", c.name)
	refused("nobody", "kill", c.name+":nobody")
	refused(`there is no region "mars"`, "region-down", c.name, "mars")
	refused("all nodes of us-west-2 run", "region-up", c.name, west)

	inForce("pause us-west-2-1", "pause", c.name+":2")
	inForce("pause us-west-2-1", "show", c.name)
	refused("us-west-2-1 is paused already", "pause", c.name+":us-west-2-1")
	refused("us-west-2-1 is paused already", "kill", c.name+":2")
	refused("us-west-2-1 is paused already", "region-down", c.name, west)
	inForce("", "resume", c.name+":2")

	inForce("kill us-west-2-1", "region-down", c.name, west)
	refused("us-west-2-1 does not run", "kill", c.name+":2")
	refused("us-west-2-1 does not run", "pause", c.name+":2")
	refused("no node of us-west-2 runs", "region-down", c.name, west)
	inForce("", "region-up", c.name, west)
	if now := c.servers(t); now["us-east-1-1"] != first || now["us-west-2-1"] == second {
		t.Errorf("the servers are %v, and were %d and %d", now, first, second)
	}

	inForce("partition us-east-1 - us-west-2", "partition", c.name, east, west)
	inForce("partition us-east-1 - us-west-2, pause us-east-1-1", "pause", c.name+":1")
	inForce("partition us-east-1 - us-west-2, pause us-east-1-1, kill us-west-2-1", "kill", c.name+":2")
	notes(inForce("", "heal", c.name), "ended: partition us-east-1 - us-west-2")
	if now := c.servers(t); now["us-east-1-1"] != first {
		t.Errorf("what was paused goes on: pid %d, was %d", now["us-east-1-1"], first)
	}

	// A start ends a pause, too.
	inForce("pause us-east-1-1", "pause", c.name+":1")
	c.must(t, "start", c.name+":1")
	inForce("", "show", c.name)

	// A cluster with a paused server is removed like another.
	inForce("pause us-east-1-1", "pause", c.name+":1")
	inv, _ := h.inventory(t, c.name)
	c.must(t, "down", c.name)
	h.checkGone(t, inv)
}
