package wan

import (
	"net/netip"
	"testing"
	"time"
)

func TestNodesComeAndGo(t *testing.T) {
	w, n := network(t, 40*time.Millisecond)
	east := n[1]
	w.Remove(east.Node)
	if c, err := dialErr(n[2], east); err == nil {
		c.Close()
		t.Error("a node that is gone is still listened for")
	}
	w.Remove(east.Node) // is no error
	for range 2 {       // the second time changes nothing
		if err := w.Add(east.Endpoint); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, n[2], east)
	if rtt := roundTrip(t, c, 1); rtt < 40*time.Millisecond {
		t.Errorf("the new node is %s away, want at least 40ms", rtt)
	}
	if got := <-east.from; got != n[2].Public {
		t.Errorf("it was dialled from %s, want %s", got, n[2].Public)
	}
	dial(t, east, n[2])
	if got := <-n[2].from; got != east.Public {
		t.Errorf("it dials from %s, want %s", got, east.Public)
	}
	if err := w.Add(Endpoint{Node: "x", Region: "north", Public: netip.MustParseAddr("127.251.109.1")}); err == nil {
		t.Error("a node of an unknown region is taken in")
	}
}

func TestNodeComesWhileItsRegionRefuses(t *testing.T) {
	w, n := network(t, 0)
	w.Remove(n[1].Node)
	if err := w.Refuse("east"); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(n[1].Endpoint); err != nil {
		t.Fatal(err)
	}
	if c, err := dialErr(n[2], n[1]); err == nil {
		c.Close()
		t.Error("the region refuses, its new node does not")
	}
	if err := w.Accept("east"); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, dial(t, n[2], n[1]), 1)
}
