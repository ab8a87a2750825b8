package test

import (
	"encoding/json"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossring/internal/compare"
	"crossring/internal/failif"
	"crossring/internal/flight"
	"crossring/internal/lag"
	"crossring/internal/latency"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/runs"
	"crossring/internal/topology"
	"crossring/internal/verify"
	"crossring/ringcheck"
	"crossring/stress/results"
	"crossring/test/harness"
	"crossring/tokens"
)

// promised are the keys that other programs were promised, by the table of
// docs/json.md that they stand in. More may be there; these stay.
var promised = map[string]string{
	"ring": `datacenters[].name datacenters[].nodes[].name datacenters[].nodes[].address datacenters[].nodes[].private_address
		datacenters[].nodes[].rack datacenters[].nodes[].status datacenters[].nodes[].state datacenters[].nodes[].load_bytes
		datacenters[].nodes[].owns_effective datacenters[].nodes[].host_id datacenters[].nodes[].tokens[]
		datacenters[].nodes[].release_version mismatches[].kind mismatches[].node mismatches[].want mismatches[].got
		mismatches[].message agreed_schema schema_versions{}[]`,
	"tokens": "partitioner strategy datacenters[].name datacenters[].tokens[]",
	"demo": `cluster cassandra_version partitioner ring_before.datacenters[].name ring_after.datacenters[].name write.rows read.rows
		keys_estimate.after_write{} keys_estimate.after_read{} run_dir`,
	"write": `datacenter rows acknowledged failed unknown seconds ops_per_second client_cpu_us_per_op latency_ms.p50 latency_ms.p95
		latency_ms.p99 latency_ms.p999 latency_ms.max response_ms.p50 response_ms.p95 response_ms.p99 response_ms.p999 response_ms.max
		coordinators{}`,
	"read": `datacenter rows seconds ops_per_second client_cpu_us_per_op latency_ms.p50 latency_ms.p95 latency_ms.p99 latency_ms.p999
		latency_ms.max response_ms.p50 response_ms.p95 response_ms.p99 response_ms.p999 response_ms.max coordinators{}
		found missing_at_first_read found_later missing wrong failed lag_ms.count lag_ms.p50 lag_ms.p95 lag_ms.p99 lag_ms.p999 lag_ms.max
		read_after_ms.asked read_after_ms.p50 read_after_ms.p95 read_after_ms.p99 read_after_ms.max seen_at_first_read late_starts
		within[].ms within[].share within[].at_least_95`,
	"plan": `nodes[].name nodes[].region nodes[].zone nodes[].datacenter nodes[].rack nodes[].tokens[] rules[].node tags{}
		cost.per_hour_usd cost.ttl_usd cost.prices_as_of calls[]`,
	"ls":         "clusters[].name clusters[].provider clusters[].regions[] clusters[].nodes clusters[].age_seconds clusters[].expires_at clusters[].cost_so_far_usd",
	"pki-verify": "ok chain[] errors[].depth errors[].code errors[].name errors[].subject errors[].message errors[].hint",
	"link":       "depth subject issuer not_before not_after key key_usage[] ext_key_usage[]",
	"verify":     "rows found lost wrong failed where[].key where[].replicas",
	"latency":    "cells[] agreement.cells traces[].answers[].address left_out[]",
	"cell":       "datacenter op consistency predicted_ms measured_ms n",
	"quantiles":  "p50 p99",
	"background": "rate_asked rate reads writes failed datacenters[].name",
	"replication-lag": `rate_asked rate clock pairs[].from pairs[].to pairs[].rows pairs[].seen pairs[].never
		pairs[].interval_ms.p50 pairs[].interval_ms.p99 pairs[].interval_ms.max
		pairs[].lag_ms.low.p50 pairs[].lag_ms.low.p95 pairs[].lag_ms.low.p99 pairs[].lag_ms.low.p999 pairs[].lag_ms.low.max
		pairs[].lag_ms.high.p50 pairs[].lag_ms.high.p95 pairs[].lag_ms.high.p99 pairs[].lag_ms.high.p999 pairs[].lag_ms.high.max
		pairs[].within[].ms pairs[].within[].share pairs[].within[].at_least_95
		pairs[].seconds[].t pairs[].seconds[].rows pairs[].seconds[].p50 pairs[].seconds[].p99 pairs[].seconds[].max`,
	"runs": "runs[].name runs[].path runs[].cluster runs[].started runs[].what runs[].rows runs[].write_per_second runs[].read_per_second",
	"comparison": `runs[].label metrics[].name metrics[].unit metrics[].values[].mean metrics[].values[].half_width_95 metrics[].values[].n
		metrics[].change metrics[].half_width_95 metrics[].p_value metrics[].verdict`,
	"handshake": "new reused",
	"rate":      "connections real_seconds client_cpu_seconds per_real_second per_cpu_second resumed version cipher_suite curve",
	everywhere:  "schema error.code error.message error.hint",
}

func TestDocumentedKeysArePromised(t *testing.T) {
	all := documentedShapes(t)
	for name, paths := range promised {
		for path := range strings.FieldsSeq(paths) {
			if !all.has(name, path) {
				t.Errorf("docs/json.md: table %q has no key %s", name, path)
			}
		}
	}
	if all.has("ring", "datacenters[].nodes[].nonsense") {
		t.Error("a key that is not there was found")
	}
}

// checkVerified holds rows that were read again: all there, or none; and then each where it is, by
// the datacenters in order.
func checkVerified(t *testing.T, r verify.Result, rows int64, has ...string) {
	t.Helper()
	want := verify.Result{Rows: rows, Found: rows}
	if has[0] != "" {
		want = verify.Result{Rows: rows, Lost: rows}
	}
	if r.Rows != want.Rows || r.Found != want.Found || r.Lost != want.Lost || r.Wrong+r.Failed+r.Unread != 0 || int64(len(r.Where)) != want.Lost {
		t.Errorf("want %d found and %d lost of %d rows: %+v", want.Found, want.Lost, rows, r)
	}
	for _, row := range r.Where {
		var got []string
		for _, address := range slices.Sorted(maps.Keys(row.Replicas)) {
			got = append(got, row.Replicas[address])
		}
		if row.Outcome != verify.Lost || !slices.Equal(got, has) {
			t.Errorf("key %d is %s, want %v: %v", row.Key, row.Outcome, has, row.Replicas)
			return
		}
	}
}

// checkBothWays holds an experiment of both pairs of two datacenters: each row once, and under its own key.
func checkBothWays(t *testing.T, d report.Document, rows int64) {
	t.Helper()
	if len(d.Pairs) != 2 || d.Pairs[0].From != d.Write.Datacenter || d.Pairs[0].To != d.Read.Datacenter ||
		d.Pairs[1].From != d.Pairs[0].To || d.Pairs[1].To != d.Pairs[0].From || d.Pairs[0].RunDir != d.RunDir || d.Pairs[1].RunDir == d.RunDir {
		t.Fatalf("want both pairs, that of the document first: %+v", d.Pairs)
	}
	for _, p := range d.Pairs {
		if p.Write == nil || p.Read == nil || p.Outcomes == nil || p.Lost == nil || *p.Lost != 0 || p.Outcomes.Acknowledged.There() != rows ||
			p.Write.Rows != rows || p.Read.Rows != rows || p.Write.Datacenter != p.From || p.Read.Datacenter != p.To {
			t.Errorf("%s to %s: %+v", p.From, p.To, p)
		}
	}
	if a, b := metaOf(t, d.Pairs[0].RunDir), metaOf(t, d.Pairs[1].RunDir); a.RunID == b.RunID || a.FirstKey == b.FirstKey {
		t.Errorf("both pairs have run %d, or keys from %d on", a.RunID, a.FirstKey)
	}
}

func metaOf(t *testing.T, dir string) results.Meta {
	t.Helper()
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d.Meta
}

// TestDocuments holds the answer of every command against its table.
func TestDocuments(t *testing.T) {
	t.Parallel()
	all := documentedShapes(t)
	each(t, func(t *testing.T, version string, c cluster) {
		// holds runs a command and holds its answer against a table.
		holds := func(table string, code int, args ...string) result {
			t.Helper()
			r := c.want(t, code, append(args, "-o", "json")...)
			for _, problem := range all.check(table, []byte(r.stdout)) {
				t.Errorf("crossring %s: %s", strings.Join(r.args, " "), problem)
			}
			if code != 2 { // of a wrong command line there is the error alone
				fitsSchema(t, table, []byte(r.stdout))
			}
			if failed := strings.Contains(r.stdout, "\n  \"error\": {"); failed != (code != 0) {
				t.Errorf("an error is there exactly when the command failed: %s", r)
			}
			return r
		}
		file := c.spec(t, oneByOne(c.name, version))
		inv, _ := c.inventory(t, c.name)
		// What takes a while is done with one of the releases, by the commit.
		whole := long() || slices.Contains(harness.Some([]string{oldest, newest}, 1, harness.Commit()), version)

		checkPlan(t, decode[topology.Plan](t, holds("plan", 0, "plan", "-f", file)), version)
		checkForecast(t, decode[latency.Forecast](t, holds("plan", 0, "plan", "-f", file, "--latency")), version)
		holds("render", 0, "render", "-f", file)
		holds("render", 0, "render", c.name)
		holds("version", 0, "version")
		holds("releases", 0, "releases")
		holds("man", 0, "man", "up")
		holds("doctor", 0, "doctor", "--cassandra", version)
		holds("init", 0, "init", filepath.Join(t.TempDir(), "first.yaml"))
		doc := decode[tokens.Document](t, holds("tokens", 0, "tokens", "3", "2", "--partitioner", strings.TrimSuffix(partitionerOf(version), "Partitioner")))
		for _, dc := range doc.Datacenters {
			checkTokens(t, dc.Tokens)
		}
		holds("up", 0, "up", c.name)
		holds("processes", 0, "start", c.name)
		holds("fault", 0, "fault", "show", c.name)
		checkRoughLine(t, c, holds)
		holds("cql", 0, "cql", c.name, "SELECT cluster_name FROM system.local")
		holds("ls", 0, "ls")
		checkRunningPreflight(t, decode[flight.PreflightResult](t, holds("preflight", 0, "preflight", c.name)))
		for _, command := range []string{"ring", "status"} {
			checkRing(t, decode[ringcheck.Ring](t, holds("ring", 0, command, c.name)), inv)
		}

		got := decode[report.Document](t, holds("demo", 0, "repro", c.name, "--rows", "500"))
		checkDocument(t, got, inv, 500)
		checkWire(t, got.Wire, inv, 500)
		checkServers(t, got.Servers, inv)
		again := decode[report.Document](t, holds("demo", 0, "report", got.RunDir))
		checkDocument(t, again, inv, 500)
		holds("stress", 0, "stress", "write", c.name, "--rows", "300", "--rate", "500", "--write-consistency", "ALL")
		holds("stress", 0, "stress", "read", c.name)

		// More than were written there are not: those that were are read.
		r := holds("stress", 0, "stress", "read", c.name, "--rows", "510")
		if rd := decode[load.StressResult](t, r).Read; rd == nil || rd.Found != 300 || rd.Rows != 300 {
			t.Errorf("of 510 rows 300 were written: %s", r)
		}

		made := decode[runs.Listing](t, holds("runs", 0, "runs", c.name))
		at := slices.IndexFunc(made.Runs, func(l runs.Listed) bool { return l.Path == got.RunDir }) // after those of other tests
		if n := len(made.Runs); at < 0 || at != n-2 || made.Runs[at].What != "repro" || made.Runs[n-1].What != "write and read" || made.Runs[at].WriteRate == nil || made.Runs[at].Host == nil {
			t.Errorf("want a repro, and a write and a read, last: %+v", made)
		}
		table := filepath.Join(t.TempDir(), "attempts.parquet")
		if n := decode[runs.Exported](t, holds("exported", 0, "export", got.RunDir, "--per", "attempt", "--format", "parquet", "--out", table)).Rows; n < 1000 {
			t.Errorf("%d attempts of 500 writes and 500 reads", n)
		}
		if whole {
			holds("comparison", 0, "stress", "write", c.name, "--rows", "200", "--runs", "2", "--against", "in-flight=16")
			checkBundle(t, c, holds, got.RunDir, inv)
		}
		sides := decode[compare.Result](t, holds("comparison", 0, "compare", got.RunDir, filepath.Base(lastRun(made))))
		if len(sides.Metrics) == 0 || len(sides.Differences) == 0 || !slices.ContainsFunc(sides.NotComparable, func(l compare.LeftOut) bool { return l.Name == "write.rate" }) {
			t.Errorf("a run at a rate and one without are compared in the rest: %+v", sides)
		}

		if whole {
			checkGate(t, c, holds)
			checkBothWays(t, decode[report.Document](t, holds("demo", 0, "repro", c.name, "--rows", "200", "--both-ways")), 200)
		}

		// Each row is read 200 ms after its own acknowledgement; a way takes 40.
		beside := holds("demo", 0, "repro", c.name, "--rows", "400", "--rate", "400", "--read-after", "200ms", "--background", "100")
		if rd := decode[report.Document](t, beside).Read; rd == nil || rd.Rows != 400 || rd.Found != 400 || rd.ReadAfter == nil || rd.ReadAfter.Asked != 200 ||
			rd.ReadAfter.P50 < 199 || *rd.SeenAtFirstRead+rd.FoundLater != 400 || len(rd.Within) == 0 {
			t.Errorf("want 400 rows read at an age of 200 ms: %s", beside)
		}
		if b := decode[report.Document](t, beside).Background; b == nil || b.RateAsked != 100 || len(b.Datacenters) != 2 || b.Reads == 0 || b.Writes == 0 || b.Failed != 0 {
			t.Errorf("want a load of reads and writes beside it: %s", beside)
		}
		holds("demo", 2, "repro", c.name, "--read-after", "1us")
		holds("demo", 2, "repro", c.name, "--background", "NaN")
		checkLag(t, decode[lag.Result](t, holds("replication-lag", 0, "lag", c.name, "--rate", "40", "--duration", "2s")), 40)
		if whole {
			checkLatency(t, decode[latency.Result](t, holds("latency", 0, "latency", c.name, "--samples", "3", "--trace", "1")), version)
		}
		holds("latency", 2, "latency", c.name, "--dc", "mars")

		// The page of each run is there, and the newest run has a name.
		if page, err := os.ReadFile(filepath.Join(got.RunDir, "report.html")); err != nil || !strings.Contains(string(page), "<dd>crossring repro ") {
			t.Errorf("the page of %s: %v", got.RunDir, err)
		}
		late := decode[lag.Result](t, holds("replication-lag", 0, "report", c.name))
		if late.Command == "" || late.RunDir == "" || late.Began == nil {
			t.Errorf("the newest run of %s is %+v, not its lag", c.name, late)
		}
		if r := c.must(t, "report", late.RunDir, "-o", "html"); !strings.Contains(r.stdout, "<h2>From us-east to us-west-2</h2>") {
			t.Errorf("the page of a lag: %s", r)
		}

		if whole {
			// By two clocks that nobody trusts, which are one here: their offset is 0, and is bounded so.
			echoed := decode[lag.Result](t, holds("replication-lag", 0, "lag", c.name, "--rate", "40", "--duration", "2s", "--clock", "echo"))
			for _, p := range echoed.Pairs {
				if echoed.Clock != lag.ClockEcho || p.Rows != 80 || p.Seen != 80 || p.Offset == nil || p.Offset.Low > 0 || p.Offset.High < 0 {
					t.Errorf("%s to %s: %d rows, %d seen, offset %+v", p.From, p.To, p.Rows, p.Seen, p.Offset)
				}
			}
		}

		// Of what fails there is as much as there was.
		holds("cql", 1, "cql", c.name, "SELECT nonsense")
		checkVerified(t, decode[verify.Result](t, holds("verify", 0, "verify", got.RunDir)), 500, "")
		holds("cql", 0, "cql", c.name, "TRUNCATE crossring.rows_by_key")
		checkVerified(t, decode[verify.Result](t, holds("verify", 6, "verify", got.RunDir, "--deadline", "0s")), 500, verify.Absent, verify.Absent)
		r = holds("verify", 2, "verify", got.RunDir, "--level", "NINE", "--dc", "mars", "--deadline", "-1s")
		checkSays(t, r, "--level: ", "--dc: ", "--deadline: ")
		r = holds("stress", 6, "stress", "read", c.name, "--run", decode[report.Document](t, beside).RunDir, "--missing-deadline", "0s")
		lost := decode[load.StressResult](t, r)
		if rd := lost.Read; rd == nil || rd.Missing != 400 || *rd.MissingAcknowledged != 400 || lost.Lost == nil || *lost.Lost != 400 || lost.Outcomes.Acknowledged.Missing != 400 {
			t.Errorf("all rows are gone: %s", r)
		}
		if want := "of 400 acknowledged rows: 400 lost"; !strings.Contains(r.stderr, want) {
			t.Errorf("want %q: %s", want, r)
		}
	})
}

var (
	fullVersion = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	uuid        = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// checkGate holds what a pipeline asks: every expression that holds is named, and one that can't
// be told is refused before anything is made.
func checkGate(t *testing.T, c cluster, holds func(table string, code int, args ...string) result) {
	t.Helper()
	before := len(decode[runs.Listing](t, holds("runs", 0, "runs", c.name)).Runs)
	if r := holds("stress", 2, "stress", "write", c.name, "--fail-if", "write.response.p99>1s"); !strings.Contains(r.stderr, "without --rate") {
		t.Errorf("a closed loop has no response times: %s", r)
	}
	if n := len(decode[runs.Listing](t, holds("runs", 0, "runs", c.name)).Runs); n != before {
		t.Errorf("%d runs, and %d after one that was refused", before, n)
	}
	junit, page := filepath.Join(t.TempDir(), "run.xml"), filepath.Join(t.TempDir(), "run.md")
	r := holds("stress", 6, "stress", "write", c.name, "--rows", "200", "--fail-if", "write.p50>0us", "--fail-if", "write.rate<1e9/s", "--fail-if", "write.failed>0", "--junit", junit, "--markdown", page)
	var doc struct{ Breaches []failif.Breach }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Breaches) != 2 || doc.Breaches[0].Expression != "write.p50>0us" || doc.Breaches[1].Limit != 1e9 {
		t.Errorf("want two breaches: %v, %s", err, r)
	}
	for path, want := range map[string]string{junit: `tests="4" failures="2" errors="0"`, page: "2 things not as asked"} {
		if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v, want %q in\n%s", path, err, want, data)
		}
	}
	holds("replication-lag", 6, "lag", c.name, "--rate", "20", "--duration", "1s", "--fail-if", "lag.p50<1h")
}

// checkBundle holds that an archive has what there is of a run, and an anonymous one nothing that
// says where it was made.
func checkBundle(t *testing.T, c cluster, holds func(table string, code int, args ...string) result, run string, inv topology.Inventory) {
	t.Helper()
	dir := t.TempDir()
	whole, masked := filepath.Join(dir, "whole.tar.gz"), filepath.Join(dir, "masked.tar.gz")
	holds("bundle", 0, "report", run, "--bundle", whole)
	holds("bundle", 0, "report", run, "--bundle", masked, "--anonymous")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	unpack := func(archive string) string {
		to := t.TempDir()
		if out, err := exec.Command("tar", "-xzf", archive, "-C", to).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
		return to
	}
	again := filepath.Join(unpack(whole), filepath.Base(run))
	checkDocument(t, decode[report.Document](t, holds("demo", 0, "report", again)), inv, 500)
	seen := 0
	err = filepath.WalkDir(unpack(masked), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		data, err := os.ReadFile(path)
		for _, n := range inv.Nodes {
			for _, secret := range []string{n.PublicAddress, n.PrivateAddress, n.Layout.Root, c.state, `"` + c.name + `"`, `"` + host + `"`} {
				if strings.Contains(string(data), secret) {
					t.Errorf("%s has %s in it", filepath.Base(path), secret)
				}
			}
		}
		if strings.HasSuffix(path, ".raw") {
			t.Errorf("%s is in an anonymous archive", path)
		}
		return err
	})
	if err != nil || seen < 5 {
		t.Errorf("%d files: %v", seen, err)
	}
}

// lastRun is the path of the newest one.
func lastRun(l runs.Listing) string {
	if len(l.Runs) == 0 {
		return ""
	}
	return l.Runs[len(l.Runs)-1].Path
}

// checkTokens holds that tokens are decimal and ascend.
func checkTokens(t *testing.T, list []string) {
	t.Helper()
	var last *big.Int
	for _, text := range list {
		n, ok := new(big.Int).SetString(text, 10)
		if !ok || n.String() != text {
			t.Errorf("token %q is not decimal", text)
			return
		}
		if last != nil && n.Cmp(last) <= 0 {
			t.Errorf("tokens %q do not ascend", list)
		}
		last = n
	}
	if last == nil {
		t.Error("there are no tokens")
	}
}

func checkPlan(t *testing.T, p topology.Plan, version string) {
	t.Helper()
	if p.Version != version || p.Partitioner != partitionerOf(version) || len(p.Nodes) != 2 {
		t.Errorf("plan of %d nodes of %s with %s, want 2 of %s with %s", len(p.Nodes), p.Version, p.Partitioner, version, partitionerOf(version))
	}
	for _, n := range p.Nodes {
		checkTokens(t, n.Tokens)
	}
}

// checkRing holds what the ring of a whole cluster must say, wherever it stands.
func checkRing(t *testing.T, r ringcheck.Ring, inv topology.Inventory) {
	t.Helper()
	if r.Schema != topology.Schema || r.Partitioner != inv.Plan.Partitioner || r.Version != inv.Plan.Version || !fullVersion.MatchString(r.Version) {
		t.Errorf("%s: Cassandra %s with %s, want %s with %s", r.Schema, r.Version, r.Partitioner, inv.Plan.Version, inv.Plan.Partitioner)
	}
	if len(r.Mismatches) > 0 || !r.AgreedSchema || len(r.SchemaVersions) != 1 {
		t.Errorf("not as planned: mismatches %v, schema versions %v", r.Mismatches, r.SchemaVersions)
	}
	var addresses []string
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			want, err := inv.Node(n.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			addresses = append(addresses, n.Address)
			if n.Address != want.PublicAddress || n.PrivateAddress != want.PrivateAddress || dc.Name != want.Datacenter || n.Rack != want.Rack {
				t.Errorf("%s at %s and %s in %s/%s, want %s and %s in %s/%s", n.Name, n.Address, n.PrivateAddress, dc.Name, n.Rack,
					want.PublicAddress, want.PrivateAddress, want.Datacenter, want.Rack)
			}
			if n.Status != ringcheck.Up || n.State != ringcheck.Normal || n.ReleaseVersion != inv.Plan.Version || !uuid.MatchString(n.HostID) {
				t.Errorf("%s is %s/%s, release %s, host id %s", n.Name, n.Status, n.State, n.ReleaseVersion, n.HostID)
			}
			if n.LoadBytes == nil || *n.LoadBytes <= 0 {
				t.Errorf("%s does not say its load", n.Name)
			}
			if (n.OwnsEffective != nil) != (r.Keyspace != "") {
				t.Errorf("%s: effective ownership %v of keyspace %q", n.Name, n.OwnsEffective, r.Keyspace)
			}
			checkTokens(t, n.Tokens)
		}
	}
	if len(addresses) != len(inv.Nodes) {
		t.Errorf("nodes %v, want %d", addresses, len(inv.Nodes))
	}
	for _, have := range r.SchemaVersions {
		if slices.Sort(addresses); !slices.Equal(have, addresses) {
			t.Errorf("a schema version on %v, want it on %v", have, addresses)
		}
	}
}

// checkFrame holds what a phase says of itself: that the rows and the attempts
// are all there, and that only nodes of its datacenter coordinated.
func checkFrame(t *testing.T, f results.Frame, inv topology.Inventory, dc string, rows int64) {
	t.Helper()
	if f.Rows != rows || f.RowsAsked != rows || f.Datacenter != dc || f.Attempts < rows {
		t.Errorf("%s of %d of %d rows in %s with %d attempts, want %d in %s", f.Op, f.Rows, f.RowsAsked, f.Datacenter, f.Attempts, rows, dc)
	}
	var allowed []string
	for _, n := range inv.InDatacenter(dc) {
		allowed = append(allowed, n.PublicAddress)
	}
	var attempts int64
	for address, n := range f.Coordinators {
		if !slices.Contains(allowed, address) {
			t.Errorf("%s: %s coordinated, which is not in %s", f.Op, address, dc)
		}
		attempts += n
	}
	if attempts != f.Attempts {
		t.Errorf("%s: coordinators' attempts add up to %d, want %d", f.Op, attempts, f.Attempts)
	}
	l := f.Latency
	if !slices.IsSorted([]float64{0, l.P50, l.P95, l.P99, l.P999, l.Max}) || l.P50 == 0 {
		t.Errorf("%s: latencies %+v", f.Op, l)
	}
	if (f.Response != nil) != (f.Rate > 0) {
		t.Errorf("%s: response times %v at rate %v", f.Op, f.Response, f.Rate)
	}
	if f.Seconds <= 0 || f.OpsPerSec <= 0 || f.ClientCPUMicros <= 0 {
		t.Errorf("%s: %v s, %v operations/s, %v µs of processor time each", f.Op, f.Seconds, f.OpsPerSec, f.ClientCPUMicros)
	}
}

// checkDocument holds a run in which nothing was lost.
func checkDocument(t *testing.T, d report.Document, inv topology.Inventory, rows int64) {
	t.Helper()
	if d.RingBefore == nil || d.RingAfter == nil || d.Write == nil || d.Read == nil {
		t.Fatalf("the document of %s is not whole", d.RunDir)
	}
	checkRing(t, *d.RingBefore, inv)
	checkRing(t, *d.RingAfter, inv)
	w, r := d.Write, d.Read
	checkFrame(t, w.Frame, inv, "us-east", rows)
	checkFrame(t, r.Frame, inv, "us-west-2", rows)
	if w.Acknowledged != rows || w.Failed != 0 || w.Unknown != 0 {
		t.Errorf("%d acknowledged, %d failed, %d unknown, want %d acknowledged", w.Acknowledged, w.Failed, w.Unknown, rows)
	}
	if r.Found != rows || r.Missing != 0 || r.Wrong != 0 || r.Failed != 0 || r.FoundLater > r.Found {
		t.Errorf("%d found (%d later), %d missing, %d wrong, %d failed, want %d found", r.Found, r.FoundLater, r.Missing, r.Wrong, r.Failed, rows)
	}
	if r.Lag.Count != r.FoundLater {
		t.Errorf("the lag is over %d rows, %d were found later", r.Lag.Count, r.FoundLater)
	}
	for when, counts := range map[string]map[string]int64{"(before) write": d.KeysEstimate.Before, "write": d.KeysEstimate.AfterWrite, "read": d.KeysEstimate.AfterRead} {
		for _, n := range inv.Nodes {
			if _, ok := counts[n.PublicAddress]; !ok || len(counts) != len(inv.Nodes) {
				t.Errorf("key estimates after the %s are of %v, %s is to be there", when, counts, n.PublicAddress)
			}
		}
	}
	if info, err := os.Stat(d.RunDir); err != nil || !info.IsDir() || !filepath.IsAbs(d.RunDir) {
		t.Errorf("run directory %s: %v", d.RunDir, err)
	}
}

// TestFailureDocuments is about commands that fail before there is anything to
// say: with -o json there is a document all the same, without there is none.
func TestFailureDocuments(t *testing.T) {
	beside(t, 0)
	all := documentedShapes(t)
	h := newHome(t)
	bad := h.spec(t, "version: crossring/v1\nname: a\nnodes: 3\n")
	for _, tt := range []struct {
		code int
		args []string
	}{
		{1, []string{"ring", "nonesuch"}},
		{1, []string{"down", "nonesuch"}},
		{1, []string{"repro", "nonesuch"}},
		{1, []string{"up", "nonesuch"}},
		{2, []string{"up", "-f", bad}},
		{2, []string{"plan", "-f", bad}},
		{2, []string{"up"}},
		{2, []string{"tokens", "none"}},
		{2, []string{"ring"}},
		{2, []string{"ring", "--nonesuch"}},
		{2, []string{"nonesuch"}},
		{2, []string{"report", filepath.Join(h.state, "nonesuch")}},
	} {
		r := h.want(t, tt.code, tt.args...)
		if r.stdout != "" || !strings.HasPrefix(r.stderr, "crossring: error: ") {
			t.Errorf("without -o json there is an error on stderr and nothing else: %s", r)
		}
		r = h.want(t, tt.code, append(slices.Clone(tt.args), "-o", "json")...)
		var doc struct {
			Error json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
			t.Errorf("%v: %s", err, r)
			continue
		}
		// The keys of the answer itself may or may not be there yet.
		for _, problem := range all.check("error", append(doc.Error[:len(doc.Error)-1:len(doc.Error)-1], `,"schema":""}`...)) {
			t.Errorf("%s: %s", problem, r)
		}
		e := decode[failure](t, r)
		if e.Schema != topology.Schema || e.Error.Code != tt.code || e.Error.Message == "" {
			t.Errorf("want code %d and a message: %s", tt.code, r)
		}
		if first, _, _ := strings.Cut(e.Error.Message, "\n"); !strings.Contains(r.stderr, first) {
			t.Errorf("stderr and the document say different things: %s", r)
		}
	}
}

type failure struct {
	Schema string `json:"schema"`
	Error  struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"error"`
}
