package test

import (
	"cmp"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Most of the time tests wait: for gossip, for a timeout, for an end. So they run side by
// side, as many as the computer carries. A test says how many servers it has at a time,
// and what it uses of which there is one.

// lane is something that one test uses at a time.
type lane string

// What there is one of. Each shared cluster is one more.
const (
	hostAddresses lane = "addresses of hosts" // see machineAddress
	ccmAddresses  lane = "addresses of ccm"   // 127.0.0.1 and on, whatever the cluster
	podmanEngine  lane = "podman"
)

// sharedLane is the lane of a version's shared cluster.
func sharedLane(version string) lane { return lane("shared " + version) }

// turns is who runs and who waits.
var turns = gate{held: map[lane]string{}, servers: number("CROSSRING_SERVERS", 6), tests: 5}

// number reads a number from the environment.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// beside has a test run beside others. It returns when there is room for as many servers
// as the test has at a time, and nobody is in its lanes; they are its own until it ends.
// Shared clusters and their servers are not to be asked for: they have their lane from
// sharedCluster.
func beside(t *testing.T, servers int, lanes ...lane) {
	t.Helper()
	t.Parallel()
	turns.wait(t, servers, lanes)
}

// standIns is how many servers a test of processHome has: none but where they are real.
func standIns(n int) int {
	if long() {
		return n
	}
	return 0
}

// wait takes what a test asks for until the test ends.
func (g *gate) wait(t *testing.T, servers int, lanes []lane) {
	t.Helper()
	begun := time.Now()
	k := g.ask(t.Name(), servers, lanes)
	<-k.granted
	// By this the tally knows what the test itself took.
	if waited := time.Since(begun); waited > 100*time.Millisecond {
		t.Logf("waited %.1f s for its turn", waited.Seconds())
	}
	t.Cleanup(func() { g.leave(k) })
}

// gate lets tests through while there is room.
type gate struct {
	mu             sync.Mutex
	held           map[lane]string // by the test's name
	servers, tests int             // how many there may be
	queue, inside  []*ticket
}

// ticket is what one test asks for.
type ticket struct {
	test    string
	servers int
	lanes   []lane
	granted chan struct{}
}

func (g *gate) ask(test string, servers int, lanes []lane) *ticket {
	k := &ticket{test, servers, slices.Clone(lanes), make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, k)
	g.admit()
	return k
}

func (g *gate) leave(k *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside = slices.DeleteFunc(g.inside, func(other *ticket) bool { return other == k })
	for _, l := range k.lanes {
		delete(g.held, l)
	}
	g.admit()
}

// first are those who should not be the last: one after another on a shared cluster, and
// with many servers.
func (k *ticket) first() int {
	if slices.ContainsFunc(k.lanes, func(l lane) bool { return strings.HasPrefix(string(l), "shared ") }) {
		return math.MaxInt
	}
	return k.servers
}

// admit lets in who has room: those who wait for servers are not overtaken by others who
// want some.
func (g *gate) admit() {
	slices.SortStableFunc(g.queue, func(a, b *ticket) int { return cmp.Compare(b.first(), a.first()) })
	full := false
	g.queue = slices.DeleteFunc(g.queue, func(k *ticket) bool {
		servers, part := 0, false
		for _, other := range g.inside {
			servers += other.servers
			part = part || strings.HasPrefix(k.test, other.test+"/") // it has its place already
		}
		// What a test has, its parts have.
		lanes := slices.DeleteFunc(slices.Clone(k.lanes), func(l lane) bool {
			return g.held[l] != "" && strings.HasPrefix(k.test+"/", g.held[l]+"/")
		})
		if slices.ContainsFunc(lanes, func(l lane) bool { return g.held[l] != "" }) || len(g.inside) >= g.tests && !part {
			return false
		}
		// Who wants more than there may ever be is alone with them.
		if k.servers > 0 && (full || servers > 0 && servers+k.servers > g.servers) {
			full = true
			return false
		}
		k.lanes = lanes
		g.inside = append(g.inside, k)
		for _, l := range lanes {
			g.held[l] = k.test
		}
		close(k.granted)
		return true
	})
}

// There are never more servers than there may be, nobody meets in a lane, nobody is
// overtaken for ever, and parts get what their test has.
func TestGate(t *testing.T) {
	g := gate{held: map[lane]string{}, servers: 6, tests: 3}
	in := func(k *ticket) bool {
		select {
		case <-k.granted:
			return true
		default:
			return false
		}
	}
	a := g.ask("A", 4, []lane{"x"})
	b := g.ask("B", 0, []lane{"x"})
	c := g.ask("C", 4, nil)
	d := g.ask("D", 2, nil)
	e := g.ask("E", 0, nil)
	part := g.ask("A/part", 0, []lane{"x", "y"})
	if !in(a) || in(b) || in(c) || in(d) || !in(e) || !in(part) {
		t.Errorf("at first: %t %t %t %t %t %t", in(a), in(b), in(c), in(d), in(e), in(part))
	}
	f := g.ask("F", 0, []lane{"y"})
	if in(f) {
		t.Error("two in a lane")
	}
	g.leave(part)
	if !in(f) || in(b) {
		t.Errorf("a part leaves what it had, not what its test has: %t %t", in(f), in(b))
	}
	g.leave(e)
	if in(c) || in(d) {
		t.Errorf("more servers than there may be, or who waits for some is overtaken: %t %t", in(c), in(d))
	}
	g.leave(a)
	if in(b) || !in(c) || !in(d) {
		t.Errorf("three may run, and first those with many servers: %t %t %t", in(b), in(c), in(d))
	}
	shared := g.ask("S", 0, []lane{sharedLane("1")})
	g.leave(f)
	if in(b) || !in(shared) {
		t.Errorf("whoever is on a shared cluster goes first: %t %t", in(b), in(shared))
	}
	g.leave(shared)
	if !in(b) {
		t.Error("there is room")
	}
	g.leave(b)
	g.leave(c)
	g.leave(d)
	if many := g.ask("G", 9, nil); !in(many) || in(g.ask("H", 1, nil)) || !in(g.ask("I", 0, nil)) {
		t.Error("who wants more than there may be is alone with them")
	}
}
