package test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"crossring/internal/plan"
	"crossring/internal/release/releasetest"
	"crossring/test/harness"
)

// form is what a cluster looks like: its nodes by zone, tokens for each, replicas.
type form struct {
	name   string
	zones  []zone
	tokens int
	// replication is by datacenter; one that is not named has one replica.
	replication map[string]int
}

// zone is the nodes of one availability zone: us-east-1 and "a" are us-east-1a. Its
// datacenter may have a suffix.
type zone struct {
	region, letter string
	nodes          int
	suffix         string
}

// names are those of the zone's datacenter and rack.
func (z zone) names() (datacenter, rack string) {
	datacenter, rack = plan.Names(plan.Legacy, z.zone())
	return datacenter + z.suffix, rack
}

func (z zone) zone() string { return z.region + z.letter }

func (s form) replicas(dc string) int {
	if n := s.replication[dc]; n > 0 {
		return n
	}
	return 1
}

func (s form) nodes() int {
	n := 0
	for _, z := range s.zones {
		n += z.nodes
	}
	return n
}

// topologies are the matrix's. The first is the cheapest.
var topologies = []form{
	{name: "1+1", tokens: 1, zones: []zone{{"us-east-1", "a", 1, ""}, {"us-west-2", "a", 1, ""}}},
	{name: "1+1+1", tokens: 1, zones: []zone{{"us-east-1", "a", 1, ""}, {"us-west-2", "a", 1, ""}, {"eu-west-1", "a", 1, "-b"}}},
	{name: "3+3-racks", tokens: 1, replication: map[string]int{"us-east": 3, "us-west-2": 2}, zones: []zone{
		{"us-east-1", "a", 1, ""}, {"us-east-1", "b", 1, ""}, {"us-east-1", "c", 1, ""}, {"us-west-2", "a", 1, ""}, {"us-west-2", "b", 1, ""}, {"us-west-2", "c", 1, ""}}},
	{name: "2+2+2-vnodes", tokens: 16, replication: map[string]int{"eu-west": 2},
		zones: []zone{{"us-east-1", "a", 2, ""}, {"us-west-2", "a", 2, ""}, {"eu-west-1", "b", 2, ""}}},
}

var partitioners = []string{"RandomPartitioner", "Murmur3Partitioner"}

// cell is one field of the matrix.
type cell struct {
	version, provider, partitioner string
	shape                          form
	age, ages                      int // the version's place among so many, the oldest is 0
	tls                            bool
}

func (c cell) String() string {
	tls := "plain"
	if c.tls {
		tls = "TLS"
	}
	return strings.Join([]string{c.version, c.provider, strings.TrimSuffix(c.partitioner, "Partitioner"), c.shape.name, tls}, " ")
}

// name is the cluster's.
func (c cell) name() string {
	return "cell-" + strings.NewReplacer(".", "-", "+", "-", " ", "-").Replace(c.version+" "+c.shape.name)
}

// spec is the cell's cluster.yaml. more are further keys.
func (c cell) spec(more string) string {
	heap := 448
	if c.shape.nodes() > 4 {
		heap = 384
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: crossring/v1\nname: %s\ncassandra: %q\nprovider: %s\npartitioner: %s\nnum_tokens: %d\nheap_mb: %d\n%sregions:\n",
		c.name(), c.version, c.provider, c.partitioner, c.shape.tokens, heap, more)
	factors := map[string]int{}
	for _, z := range c.shape.zones {
		fmt.Fprintf(&b, "  - {region: %s, zone: %s, nodes: %d", z.region, z.zone(), z.nodes)
		if z.suffix != "" {
			fmt.Fprintf(&b, ", dc_suffix: %s", z.suffix)
		}
		b.WriteString("}\n")
		dc, _ := z.names()
		factors[dc] = c.shape.replicas(dc)
	}
	b.WriteString("keyspace:\n  replication:\n")
	for _, dc := range slices.Sorted(maps.Keys(factors)) {
		fmt.Fprintf(&b, "    %s: %d\n", dc, factors[dc])
	}
	if c.tls {
		b.WriteString("tls: {}\n")
	}
	return b.String()
}

// allCells is the whole matrix: version × provider × partitioner × topology × TLS. The
// versions are the oldest first.
func allCells(versions []string) []cell {
	var list []cell
	for _, at := range places() {
		for age, version := range versions {
			for _, s := range topologies {
				for _, p := range partitioners {
					for _, tls := range []bool{false, true} {
						if tls && at.plain {
							continue
						}
						list = append(list, cell{version, at.provider, p, s, age, len(versions), tls})
					}
				}
			}
		}
	}
	return list
}

// number are the cell's coordinates.
func (c cell) number() (version, topology, partitioner int) {
	topology = slices.IndexFunc(topologies, func(s form) bool { return s.name == c.shape.name })
	return c.age, topology, slices.Index(partitioners, c.partitioner)
}

// inPairs chooses cells in which every two of version, topology, partitioner and TLS meet:
// on local clusters all of them. Elsewhere each version is there once, on two nodes, for
// there the provider is the subject, with each partitioner, and with TLS and without; one
// version is there in another shape, and which one and which shape is the turn's.
func inPairs(c cell, turn int) bool {
	version, topology, partitioner := c.number()
	if c.provider == "local" {
		return (version+topology)%2 == partitioner && c.tls == ((version+(topology+1)/2)%2 == 0)
	}
	// The places take turns, too.
	at := slices.IndexFunc(places(), func(p place) bool { return p.provider == c.provider })
	turn += at
	want := 0
	if version == turn%c.ages {
		want = 1 + turn%(len(topologies)-1)
	}
	return topology == want && version/2%len(partitioners) == partitioner && c.tls == ((version+turn)%2 == 0 && (at < 0 || !places()[at].plain))
}

// inSlice chooses the cells of make test, of which each commit has one plain one and one
// with TLS. Its other tests have the oldest version and the newest one up all the time, so
// the plain ones are the versions in between, each with another topology, as long as there
// are others. With TLS each version is there, with few nodes.
func inSlice(c cell) bool {
	version, topology, partitioner := c.number()
	if c.provider != "local" {
		return false
	}
	if c.tls {
		return topology < 2 && inPairs(c, 0)
	}
	if version == 0 || version == c.ages-1 {
		return false
	}
	// Every other one, then the rest: so both partitioners are there.
	n := len(topologies)
	turn := (version - 1) % n
	want := 2 * turn
	if want >= n {
		want = 2*(turn-(n+1)/2) + 1
	}
	return topology == want && (version+topology)%2 == partitioner
}

// matrixMode is which cells run: "slice", "pairs" or "all".
func matrixMode(t *testing.T) string {
	t.Helper()
	switch mode := os.Getenv("CROSSRING_MATRIX"); {
	case mode == "" && long():
		return "pairs"
	case mode == "":
		return "slice"
	case !slices.Contains([]string{"slice", "pairs", "all"}, mode):
		t.Fatalf("CROSSRING_MATRIX is slice, pairs or all, not %q", mode)
		return ""
	default:
		return mode
	}
}

// outcome is what became of a cell.
type outcome struct {
	cell      cell
	text      string
	up, total time.Duration
}

// TestMatrix runs the suite for version × provider × partitioner × topology and
// prints the table. CROSSRING_MATRIX chooses how many cells: slice (make test), pairs
// (make test-long) or all; CROSSRING_MATRIX_RECORD names a file by which one that was
// cut off goes on.
func TestMatrix(t *testing.T) {
	t.Parallel()
	mode := matrixMode(t)
	commit := harness.Commit()
	chosen, rest := choose(allCells(releasetest.All()), mode, commit)
	rows := int64(20_000)
	if mode == "slice" {
		rows = 2000
	}
	kept := newRecord(t)
	table := make([]outcome, len(chosen))
	left := map[string][]string{}
	for _, c := range rest {
		left[c.provider] = append(left[c.provider], c.String())
	}
	t.Cleanup(func() { // when the cells are through
		ran := slices.DeleteFunc(table, func(o outcome) bool {
			if o.text == "" { // -run has not named it
				left[o.cell.provider] = append(left[o.cell.provider], o.cell.String())
			}
			return o.text == ""
		})
		t.Logf("matrix (%s, the turn of commit %s), %d rows in each cell:\n%s", mode, commit, rows, matrixTable(ran))
		for _, at := range places() {
			if list := left[at.provider]; len(list) > 0 {
				t.Logf("%d cells of %s were not asked for, CROSSRING_MATRIX=all has them:\n  %s", len(list), at.provider, strings.Join(list, "\n  "))
			}
		}
	})
	for i, c := range chosen {
		if o, ok := kept.passed(t, c, rows); ok {
			table[i] = o
			continue
		}
		table[i].cell = c
		runCell(t, c, func(t *testing.T, o *outcome) {
			at := places()[slices.IndexFunc(places(), func(p place) bool { return p.provider == c.provider })]
			beside(t, c.servers(), at.lanes...)
			defer func() {
				table[i] = *o
				kept.keep(t, *o, rows)
			}()
			o.run(t, at, rows)
		})
	}
}

// turnsOfCommits are the numbers that a commit's turn may have: a multiple of all that
// takes turns, so that each is as likely.
func turnsOfCommits() []int {
	list := make([]int, 6*5*4*3*len(places()))
	for i := range list {
		list[i] = i
	}
	return list
}

// choose are the cells of a mode, and the others. What takes turns does so by the commit.
func choose(all []cell, mode, commit string) (chosen, rest []cell) {
	turn := harness.Some(turnsOfCommits(), 1, commit)[0]
	in := map[string]func(cell) bool{
		"slice": inSlice,
		"pairs": func(c cell) bool { return inPairs(c, turn) },
		"all":   func(cell) bool { return true },
	}[mode]
	for _, c := range all {
		if in(c) {
			chosen = append(chosen, c)
		} else {
			rest = append(rest, c)
		}
	}
	if mode == "slice" {
		all := harness.Some(chosen, len(chosen), commit)
		rest = append(rest, all...)
		chosen = nil
		for _, tls := range []bool{false, true} {
			c := all[slices.IndexFunc(all, func(c cell) bool { return c.tls == tls })]
			chosen = append(chosen, c)
			rest = slices.DeleteFunc(rest, func(o cell) bool { return o.String() == c.String() })
		}
	}
	return chosen, rest
}

// runCell has f run a cell as a test of its own, unless -run has not named it.
func runCell(t *testing.T, c cell, f func(t *testing.T, o *outcome)) {
	t.Run(strings.ReplaceAll(c.String(), " ", "/"), func(t *testing.T) { f(t, &outcome{cell: c}) })
}

// run runs the suite for the cell.
func (o *outcome) run(t *testing.T, at place, rows int64) {
	start := time.Now()
	o.text = "failed"
	defer func() {
		o.total = time.Since(start)
		if t.Skipped() && o.text == "failed" {
			o.text = "cannot run here: its log says why"
		}
	}()
	if why := at.cannot(o.cell); why != "" {
		o.text = "cannot run here: " + why
		t.Skip(why)
	}
	o.up = suite(t, at, o.cell, rows)
	if !t.Failed() {
		o.text = "ok"
	}
}

// servers is how many a cell has at a time.
func (c cell) servers() int {
	if c.grows() {
		return c.shape.nodes() + 2
	}
	return c.shape.nodes()
}

func matrixTable(table []outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "version\tprovider\tpartitioner\ttopology\tTLS\tnodes\tup, s\tall, s\toutcome")
	var total time.Duration
	for _, o := range table {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%t\t%d\t%.1f\t%.1f\t%s\n", o.cell.version, o.cell.provider, strings.TrimSuffix(o.cell.partitioner, "Partitioner"),
			o.cell.shape.name, o.cell.tls, o.cell.shape.nodes(), o.up.Seconds(), o.total.Seconds(), o.text)
		total += o.total
	}
	fmt.Fprintf(w, "%d cells\t\t\t\t\t\t\t%.1f\t\n", len(table), total.Seconds())
	_ = w.Flush() // into memory
	return b.String()
}

// lists are the versions that there are, and what they may come to be.
func lists() map[string][]string {
	all := releasetest.All()
	return map[string][]string{
		"today":      all,
		"one more":   append(slices.Clone(all), "98.0.1"),
		"two more":   append(slices.Clone(all), "98.0.1", "99.0.1"),
		"three more": append(slices.Clone(all), "97.0.1", "98.0.1", "99.0.1"),
	}
}

// Little as there is time for, nothing is left out altogether, and all has its turn within
// some commits.
func TestSliceTouchesAll(t *testing.T) {
	for name, all := range lists() {
		seen, secure, turns := map[string]int{}, map[string]int{}, map[string]int{}
		for _, c := range allCells(all) {
			switch {
			case !inSlice(c):
			case c.tls:
				secure[c.version]++
				secure[c.shape.name]++
			default:
				seen[c.version]++
				seen[c.shape.name]++
				seen[c.partitioner]++
			}
		}
		for i, version := range all {
			want := 1
			if i == 0 || i == len(all)-1 { // shared clusters have them
				want = 0
			}
			if seen[version] != want || secure[version] != 1 {
				t.Errorf("%s: %d plain cells of %s, want %d; %d with TLS, want 1", name, seen[version], version, want, secure[version])
			}
		}
		for i, s := range topologies {
			if n := seen[s.name]; n == 0 || n > (len(all)-2+len(topologies)-1)/len(topologies) {
				t.Errorf("%s: %d cells of %s", name, n, s.name)
			}
			if i < 2 && secure[s.name] == 0 {
				t.Errorf("%s: no cell of %s with TLS", name, s.name)
			}
		}
		for _, p := range partitioners {
			if seen[p] == 0 {
				t.Errorf("%s: no cell with %s", name, p)
			}
		}
		const commits = 60
		for i := range commits {
			chosen, rest := choose(allCells(all), "slice", fmt.Sprint("commit ", i))
			if len(chosen) != 2 || chosen[0].tls || !chosen[1].tls || len(chosen)+len(rest) != len(allCells(all)) {
				t.Fatalf("%s: chosen %v, and %d are left", name, chosen, len(rest))
			}
			for _, c := range chosen {
				turns[c.String()]++
			}
		}
		for _, c := range allCells(all) {
			if inSlice(c) != (turns[c.String()] > 0) {
				t.Errorf("%s: %s has its turn in %d of %d commits", name, c, turns[c.String()], commits)
			}
		}
	}
	if all := releasetest.All(); !slices.Equal(versions, []string{all[0], all[len(all)-1]}) {
		t.Errorf("the shared clusters are of %q, not of the oldest and the newest of %q", versions, all)
	}
}

// What pairs leaves out must not be a pair. Of what takes turns each has its turn.
func TestPairsMeet(t *testing.T) {
	const commits = 100
	for name, all := range lists() {
		seen := map[string]bool{}
		tls := func(c cell) string { return fmt.Sprint("TLS ", c.tls) }
		always := func(c cell) []string { // of any commit
			if c.provider == "local" {
				return []string{c.version + " " + c.shape.name, c.version + " " + c.partitioner, c.shape.name + " " + c.partitioner,
					tls(c) + " " + c.version, tls(c) + " " + c.shape.name, tls(c) + " " + c.partitioner, c.provider + " " + c.version + " " + c.shape.name}
			}
			return []string{c.provider + " " + c.version, c.provider + " " + c.partitioner, c.provider + " " + tls(c)}
		}
		atTimes := func(c cell) []string {
			return []string{c.provider + " " + c.shape.name, c.provider + " " + c.version + " " + tls(c)}
		}
		for i := range commits {
			chosen, _ := choose(allCells(all), "pairs", fmt.Sprint("commit ", i))
			now := map[string]bool{}
			for _, c := range chosen {
				for _, pair := range always(c) {
					now[pair] = true
				}
				for _, pair := range atTimes(c) {
					seen[pair] = true
				}
			}
			for _, c := range allCells(all) {
				for _, pair := range always(c) {
					if !now[pair] {
						t.Fatalf("%s, commit %d: no cell has %s", name, i, pair)
					}
				}
			}
		}
		for _, c := range allCells(all) {
			for _, pair := range atTimes(c) {
				if local := c.provider == "local"; !local && !seen[pair] {
					t.Errorf("%s: in %d commits no cell has %s", name, commits, pair)
					seen[pair] = true
				}
			}
		}
	}
}
