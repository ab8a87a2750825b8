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
)

// form is what a cluster looks like: its nodes by zone, tokens for each, replicas.
type form struct {
	name   string
	zones  []zone
	tokens int
	// replication is by datacenter; one that is not named has one replica.
	replication map[string]int
}

// zone is the nodes of one availability zone: us-east-1 and "a" are us-east-1a.
type zone struct {
	region, letter string
	nodes          int
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
	{name: "1+1", tokens: 1, zones: []zone{{"us-east-1", "a", 1}, {"us-west-2", "a", 1}}},
	{name: "1+1+1", tokens: 1, zones: []zone{{"us-east-1", "a", 1}, {"us-west-2", "a", 1}, {"eu-west-1", "a", 1}}},
	{name: "3+3-racks", tokens: 1, replication: map[string]int{"us-east": 3, "us-west-2": 2}, zones: []zone{
		{"us-east-1", "a", 1}, {"us-east-1", "b", 1}, {"us-east-1", "c", 1}, {"us-west-2", "a", 1}, {"us-west-2", "b", 1}, {"us-west-2", "c", 1}}},
	{name: "2+2+2-vnodes", tokens: 16, replication: map[string]int{"eu-west": 2},
		zones: []zone{{"us-east-1", "a", 2}, {"us-west-2", "a", 2}, {"eu-west-1", "b", 2}}},
}

var partitioners = []string{"RandomPartitioner", "Murmur3Partitioner"}

// cell is one field of the matrix.
type cell struct {
	version, provider, partitioner string
	shape                          form
	age, ages                      int // the version's place among so many, the oldest is 0
}

func (c cell) String() string {
	return strings.Join([]string{c.version, c.provider, strings.TrimSuffix(c.partitioner, "Partitioner"), c.shape.name}, " ")
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
		fmt.Fprintf(&b, "  - {region: %s, zone: %s, nodes: %d}\n", z.region, z.zone(), z.nodes)
		dc, _ := plan.Names(plan.Legacy, z.zone())
		factors[dc] = c.shape.replicas(dc)
	}
	b.WriteString("keyspace:\n  replication:\n")
	for _, dc := range slices.Sorted(maps.Keys(factors)) {
		fmt.Fprintf(&b, "    %s: %d\n", dc, factors[dc])
	}
	return b.String()
}

// allCells is the whole matrix: version × provider × partitioner × topology. The
// versions are the oldest first.
func allCells(versions []string) []cell {
	var list []cell
	for _, at := range places() {
		for age, version := range versions {
			for _, s := range topologies {
				for _, p := range partitioners {
					list = append(list, cell{version, at.provider, p, s, age, len(versions)})
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

// inPairs chooses cells in which every two of version, topology and partitioner
// meet: on local clusters all of them, elsewhere each version once, and each
// topology and partitioner, too.
func inPairs(c cell) bool {
	version, topology, partitioner := c.number()
	if c.provider == "local" {
		return (version+topology)%2 == partitioner
	}
	return topology == version%len(topologies) && version/2%len(partitioners) == partitioner
}

// inSlice chooses the cells of make test, whose other tests have the oldest version and
// the newest one up all the time: the versions in between, each with another topology,
// as long as there are others.
func inSlice(c cell) bool {
	version, topology, _ := c.number()
	if version == 0 || version == c.ages-1 || c.provider != "local" {
		return false
	}
	// Every other one, then the rest: so both partitioners are there.
	n := len(topologies)
	turn := (version - 1) % n
	want := 2 * turn
	if want >= n {
		want = 2*(turn-(n+1)/2) + 1
	}
	return topology == want && inPairs(c)
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
	mode := matrixMode(t)
	chosen := map[string]func(cell) bool{"slice": inSlice, "pairs": inPairs, "all": func(cell) bool { return true }}[mode]
	rows := int64(20_000)
	if mode == "slice" {
		rows = 2000
	}
	kept := newRecord(t)
	var table []outcome
	left := map[string][]string{}
	for _, c := range allCells(releasetest.All()) {
		if !chosen(c) {
			left[c.provider] = append(left[c.provider], c.String())
			continue
		}
		at := places()[slices.IndexFunc(places(), func(p place) bool { return p.provider == c.provider })]
		if o, ok := kept.passed(t, c, rows); ok {
			table = append(table, o)
			continue
		}
		o := runCell(t, at, c, rows)
		if o.text == "" { // -run has not named it
			left[c.provider] = append(left[c.provider], c.String())
			continue
		}
		kept.keep(t, o, rows)
		table = append(table, o)
	}
	t.Logf("matrix (%s), %d rows in each cell:\n%s", mode, rows, matrixTable(table))
	for _, at := range places() {
		if list := left[at.provider]; len(list) > 0 {
			t.Logf("%d cells of %s were not asked for, CROSSRING_MATRIX=all has them:\n  %s", len(list), at.provider, strings.Join(list, "\n  "))
		}
	}
}

// runCell runs the suite for one cell, as a test of its own. The outcome has no text
// where -run has not named it.
func runCell(t *testing.T, at place, c cell, rows int64) outcome {
	o := outcome{cell: c}
	start := time.Now()
	t.Run(strings.ReplaceAll(c.String(), " ", "/"), func(t *testing.T) {
		o.text = "failed"
		defer func() {
			if t.Skipped() && o.text == "failed" {
				o.text = "cannot run here: its log says why"
			}
		}()
		if why := at.cannot(c); why != "" {
			o.text = "cannot run here: " + why
			t.Skip(why)
		}
		o.up = suite(t, at, c, rows)
		if !t.Failed() {
			o.text = "ok"
		}
	})
	o.total = time.Since(start)
	return o
}

func matrixTable(table []outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "version\tprovider\tpartitioner\ttopology\tnodes\tup, s\tall, s\toutcome")
	var total time.Duration
	for _, o := range table {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%.1f\t%.1f\t%s\n", o.cell.version, o.cell.provider, strings.TrimSuffix(o.cell.partitioner, "Partitioner"),
			o.cell.shape.name, o.cell.shape.nodes(), o.up.Seconds(), o.total.Seconds(), o.text)
		total += o.total
	}
	fmt.Fprintf(w, "%d cells\t\t\t\t\t\t%.1f\t\n", len(table), total.Seconds())
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

// Little as there is time for, nothing is left out altogether.
func TestSliceTouchesAll(t *testing.T) {
	for name, all := range lists() {
		seen := map[string]int{}
		for _, c := range allCells(all) {
			if inSlice(c) {
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
			if seen[version] != want {
				t.Errorf("%s: %d cells of %s, want %d", name, seen[version], version, want)
			}
		}
		for _, s := range topologies {
			if n := seen[s.name]; n == 0 || n > (len(all)-2+len(topologies)-1)/len(topologies) {
				t.Errorf("%s: %d cells of %s", name, n, s.name)
			}
		}
		for _, p := range partitioners {
			if seen[p] == 0 {
				t.Errorf("%s: no cell with %s", name, p)
			}
		}
	}
	if all := releasetest.All(); !slices.Equal(versions, []string{all[0], all[len(all)-1]}) {
		t.Errorf("the shared clusters are of %q, not of the oldest and the newest of %q", versions, all)
	}
}

// What pairs leaves out must not be a pair.
func TestPairsMeet(t *testing.T) {
	for name, all := range lists() {
		seen := map[string]bool{}
		for _, c := range allCells(all) {
			if inPairs(c) && c.provider == "local" {
				seen[c.version+" "+c.shape.name], seen[c.version+" "+c.partitioner], seen[c.shape.name+" "+c.partitioner] = true, true, true
			}
			if inPairs(c) {
				seen[c.provider+" "+c.version], seen[c.provider+" "+c.shape.name], seen[c.provider+" "+c.partitioner] = true, true, true
			}
		}
		for _, c := range allCells(all) {
			for _, pair := range []string{c.version + " " + c.shape.name, c.version + " " + c.partitioner, c.shape.name + " " + c.partitioner,
				c.provider + " " + c.version, c.provider + " " + c.shape.name, c.provider + " " + c.partitioner} {
				if !seen[pair] {
					t.Errorf("%s: no cell has %s", name, pair)
					seen[pair] = true
				}
			}
		}
	}
}
