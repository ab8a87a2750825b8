package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"crossring/ringcheck"
	"crossring/stress/results"
)

var update = flag.Bool("update", false, "write the expected reports anew")

func ref[T any](v T) *T { return &v }

// twoRegions is a ring of one node in each of two regions.
func twoRegions(keyspace string) *ringcheck.Ring {
	node := func(name, address, rack, token string) ringcheck.Node {
		n := ringcheck.Node{
			Name: name, Address: address, PrivateAddress: "127.9.1.1", Rack: rack, Status: ringcheck.Up, State: ringcheck.Normal,
			LoadBytes: ref(int64(217_000_000)), Owns: ref(0.5), HostID: "6f5a3c1e-0000-4000-8000-00000000000" + rack[:1],
			Tokens: []string{token}, ReleaseVersion: "1.2.19", SeenUpBy: ref(2), Asked: 2,
		}
		if keyspace != "" {
			n.OwnsEffective = ref(1.0)
		}
		return n
	}
	return &ringcheck.Ring{
		Schema: "crossring/v1", Cluster: "GK Cluster", Version: "1.2.19", Partitioner: "RandomPartitioner", Keyspace: keyspace, Source: ringcheck.SourceJMX,
		Datacenters: []ringcheck.Datacenter{
			{Name: "us-east", Nodes: []ringcheck.Node{node("us-east-1-1", "127.9.2.1", "1a", "0")}},
			{Name: "us-west-2", Nodes: []ringcheck.Node{node("us-west-2-1", "127.9.2.2", "2a", "169417178424467235000914166253263322299")}},
		},
		Mismatches: []ringcheck.Mismatch{}, AgreedSchema: true, SchemaVersions: map[string][]string{"a": {"127.9.2.1", "127.9.2.2"}},
		RTT: map[string]float64{"us-east -> us-west-2": 80.42, "us-west-2 -> us-east": 80.19},
	}
}

// lagged is the run that was measured by hand: all rows arrived, some late.
func lagged() Document {
	d := New("gk")
	d.Provider, d.Version, d.Partitioner, d.ValueBytes, d.RunDir = "local", "1.2.19", "RandomPartitioner", 2048, "/state/runs/gk-1"
	d.RingBefore, d.RingAfter = twoRegions(""), twoRegions("crossring")
	d.Write = &results.WriteSummary{
		Frame: results.Frame{
			Op: "write", Datacenter: "us-east", Rows: 100_000, RowsAsked: 100_000, Attempts: 100_000, Seconds: 18.26, OpsPerSec: 5477, ClientCPUMicros: 33.1,
			Consistency: "ONE", InFlight: 64, Latency: results.Percentiles{P50: 9.71, P95: 22.4, P99: 61, P999: 240.2, Max: 1310.5},
			Coordinators: map[string]int64{"127.9.2.1": 100_000},
		},
		Acknowledged: 100_000,
	}
	d.Read = &results.ReadSummary{
		Frame: results.Frame{
			Op: "read", Datacenter: "us-west-2", Rows: 100_000, RowsAsked: 100_000, Attempts: 104_511, Seconds: 12.45, OpsPerSec: 8030, ClientCPUMicros: 36,
			Consistency: "ONE", InFlight: 64, Latency: results.Percentiles{P50: 6.1, P95: 17.2, P99: 48.7, P999: 77.4, Max: 410},
			Coordinators: map[string]int64{"127.9.2.2": 104_511},
		},
		Found: 100_000, MissingAtFirstRead: 2316, FoundLater: 2316, MissingAcknowledged: ref(int64(0)),
		Lag: results.Lag{Count: 2316, Percentiles: results.Percentiles{P50: 412, P95: 1204, P99: 1622, P999: 1871, Max: 1902}},
	}
	d.Account = results.Account{Outcomes: &results.Outcomes{Acknowledged: results.Reads{Found: 97_684, Late: 2316}}, Lost: ref(int64(0))}
	d.Replication = map[string]int{"us-east": 1, "us-west-2": 1}
	d.KeysEstimate = KeysEstimate{
		Before:     map[string]int64{"127.9.2.1": 0, "127.9.2.2": 0},
		AfterWrite: map[string]int64{"127.9.2.1": 99_968, "127.9.2.2": 99_840},
		AfterRead:  map[string]int64{"127.9.2.1": 100_000, "127.9.2.2": 99_999},
	}
	d.Stages = []Stage{{"start 2 nodes", 24.31}, {"write", 18.26}, {"read", 12.45}}
	return d
}

// troubled has something of everything that can go wrong.
func troubled() Document {
	d := lagged()
	d.RingAfter.Datacenters[1].Nodes[0].Status = ringcheck.Down
	d.RingAfter.Datacenters[0].Nodes[0].OwnsEffective = ref(0.67)
	d.RingAfter.Mismatches = []ringcheck.Mismatch{{Kind: "status", Node: "us-west-2-1", Want: "Up", Got: "Down", Message: "us-west-2-1 is Down as seen by us-east-1-1"}}
	d.RingAfter.AgreedSchema = false
	w, r := d.Write, d.Read
	w.Rows, w.Acknowledged, w.Failed, w.Unknown, w.Interrupted, w.Attempts = 90_001, 89_985, 13, 3, true, 90_001
	w.Coordinators = map[string]int64{"127.9.2.1": 89_000, "127.9.9.9": 998}
	w.Rate, w.Response = 5000, &results.Percentiles{P50: 12.1, P95: 40, P99: 99.96, P999: 1020, Max: 60_000.4}
	w.Errors = []results.ErrorCount{{Class: "write timeout", Count: 3, Example: "key 17 at 127.9.2.1: Operation timed out - received only 0 responses."}, {Class: "unavailable", Count: 13}}
	w.Warnings = []string{"the generator was the bottleneck: 64 of 64 requests in flight"}
	r.Rows, r.Found, r.FoundLater, r.Missing, r.Wrong, r.Failed, r.MissingAtFirstRead = 90_001, 89_990, 2_301, 7, 1, 3, 2_309
	r.MissingAcknowledged, r.RowsAsked, r.Overflow, r.Attempts = ref(int64(5)), 90_001, 2, 90_152
	r.Coordinators = map[string]int64{"127.9.2.1": 41, "127.9.2.2": 90_111}
	r.Lag.Count = 2_301
	d.Account = results.Account{
		Outcomes: &results.Outcomes{
			Acknowledged: results.Reads{Found: 87_676, Late: 2_300, Missing: 5, Wrong: 1, Failed: 3},
			Failed:       results.Reads{Found: 12, Missing: 1},
			Unknown:      results.Reads{Found: 1, Late: 1, Missing: 1},
		},
		Lost: ref(int64(5)),
	}
	// Of an earlier run's rows one node has many.
	d.KeysEstimate.Before = map[string]int64{"127.9.2.1": 5_120, "127.9.2.2": 0}
	d.Warnings = []string{"hi1.4xlarge is retired"}
	return d
}

func unfinished() Document {
	d := New("gk")
	d.RingBefore = twoRegions("")
	return d
}

func clean() Document {
	d := lagged()
	d.Write.Rows, d.Write.RowsAsked, d.Write.Attempts, d.Write.Acknowledged = 1_000_000, 1_000_000, 1_000_000, 1_000_000
	d.Write.Seconds, d.Write.OpsPerSec, d.Write.Coordinators = 60.1, 16_639, map[string]int64{"127.9.2.1": 1_000_000}
	r := d.Read
	r.Rows, r.RowsAsked, r.Attempts, r.Found, r.Seconds, r.OpsPerSec = 1_000_000, 1_000_000, 1_000_000, 1_000_000, 49.2, 20_325
	r.MissingAtFirstRead, r.FoundLater, r.Lag, r.Coordinators = 0, 0, results.Lag{}, map[string]int64{"127.9.2.2": 1_000_000}
	r.Latency.Max = 79.9
	d.Account = results.Account{Outcomes: &results.Outcomes{Acknowledged: results.Reads{Found: 1_000_000}}, Lost: ref(int64(0))}
	d.KeysEstimate = KeysEstimate{Before: map[string]int64{"127.9.2.1": 0, "127.9.2.2": 0}, AfterWrite: map[string]int64{"127.9.2.1": 1_000_000}, AfterRead: map[string]int64{"127.9.2.2": 999_999}}
	return d
}

func TestText(t *testing.T) {
	for name, d := range map[string]Document{
		"lagged": lagged(), "troubled": troubled(), "unfinished": unfinished(), "clean": clean(), "empty": New("gk"),
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, d); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", b.Bytes())
			for i, line := range strings.Split(b.String(), "\n") {
				if strings.TrimRight(line, " \t") != line {
					t.Errorf("line %d ends in blanks: %q", i+1, line)
				}
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

// counts lists every whole number of a document by its place in it, but what is
// not a count of the run: ports, bytes on disk and who sees whom are the ring's.
func counts(at string, v reflect.Value, visit func(at string, n int64)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*ringcheck.Ring]() {
			counts(at, v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			counts(at+"."+v.Type().Field(i).Name, v.Field(i), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			counts(fmt.Sprintf("%s[%d]", at, i), v.Index(i), visit)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			counts(at+"["+k.String()+"]", v.MapIndex(k), visit)
		}
	case reflect.Int, reflect.Int64:
		visit(at, v.Int())
	}
}

// Every count of the document is in the text, as it is.
func TestEveryCountIsInTheText(t *testing.T) {
	check := func(d Document) bool {
		var b bytes.Buffer
		if err := Text(&b, d); err != nil {
			t.Error(err)
			return false
		}
		words := strings.FieldsFunc(b.String(), func(r rune) bool { return !(r >= '0' && r <= '9' || r == ',' || r == '.' || r == '-') })
		for i := range words {
			words[i] = strings.Trim(words[i], ",.")
		}
		ok := true
		counts("Document", reflect.ValueOf(d), func(at string, n int64) {
			if !slices.Contains(words, Count(n)) {
				t.Errorf("%s = %s is not in the text:\n%s", at, Count(n), b.String())
				ok = false
			}
		})
		return ok
	}
	for _, d := range []Document{lagged(), troubled(), clean(), unfinished()} {
		check(d)
	}
	random := func(seed uint64) bool { return check(randomDocument(rand.New(rand.NewPCG(seed, 1)))) }
	if err := quick.Check(random, &quick.Config{MaxCount: 200}); err != nil {
		t.Error(err)
	}
}

// randomDocument has counts that add up, of any size.
func randomDocument(r *rand.Rand) Document {
	n := func() int64 { return r.Int64N(1 << r.IntN(40)) }
	d := troubled()
	w, rd := d.Write, d.Read
	w.Acknowledged, w.Failed, w.Unknown = n(), n(), n()
	w.Rows = w.Acknowledged + w.Failed + w.Unknown
	w.RowsAsked, w.Attempts, w.Overflow = w.Rows+n(), w.Rows, n()
	w.Coordinators = map[string]int64{"127.9.2.1": n(), "127.9.2.2": n(), "10.0.0.1": n()}
	w.Errors = []results.ErrorCount{{Class: "a", Count: n()}}
	rd.FoundLater, rd.Missing, rd.Wrong, rd.Failed = n(), n(), n(), n()
	rd.Found = rd.FoundLater + n()
	rd.Rows = rd.Found + rd.Missing + rd.Wrong + rd.Failed
	rd.MissingAtFirstRead = rd.FoundLater + rd.Missing + r.Int64N(rd.Wrong+1)
	rd.RowsAsked, rd.Attempts, rd.Overflow, rd.Lag.Count = rd.Rows+n(), rd.Rows+n(), n(), rd.FoundLater
	rd.Interrupted = true
	rd.MissingAcknowledged = ref(r.Int64N(rd.Missing + 1))
	d.KeysEstimate = KeysEstimate{AfterWrite: map[string]int64{"127.9.2.1": n()}, AfterRead: map[string]int64{"127.9.2.2": n(), "127.9.2.1": n()}}
	return d
}

// of sets the outcomes of the writes, of rows that were not read but for those
// that were acknowledged, which are all there.
func of(d *Document, acknowledged, failed, unknown int64) *results.Outcomes {
	if w := d.Write; w != nil {
		w.Acknowledged, w.Failed, w.Unknown = acknowledged, failed, unknown
	}
	d.Outcomes = &results.Outcomes{
		Acknowledged: results.Reads{Found: acknowledged}, Failed: results.Reads{Unread: failed}, Unknown: results.Reads{Unread: unknown},
	}
	return d.Outcomes
}

// Two sentences of one page never contradict each other: whoever counted some rows
// does not say that no read was answered.
func TestSentencesHoldTogether(t *testing.T) {
	d := lagged()
	// All rows were another run's, each time that they were read.
	d.Read.Found, d.Read.Wrong, d.Read.StaleAtFirstRead, d.Read.MissingAtFirstRead, d.Read.FoundLater = 0, 100_000, 100_000, 0, 0
	d.Outcomes.Acknowledged, d.Lost = results.Reads{Wrong: 100_000}, ref(int64(100_000))
	got := strings.Join(Verdict(d), "\n")
	for _, not := range []string{"No read was answered", "No row was lost", "confidence", "earlier run"} {
		if strings.Contains(got, not) {
			t.Errorf("%q in\n%s", not, got)
		}
	}
	if !strings.Contains(got, "LOST: 100,000 of 100,000") {
		t.Errorf("got\n%s", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Document)
		want   string
	}{
		{"late", func(*Document) {}, "100,000 of 100,000 acknowledged rows were read in us-west-2 with the right bytes; 2,316 were not visible at first, the slowest took 1.9 s."},
		{"rule of three", func(*Document) {}, "No row was lost; with 95 % confidence the loss rate is below 3 in 100,000."},
		{"one", func(d *Document) { d.Read.MissingAtFirstRead, d.Read.FoundLater = 1, 1 }, "; 1 was not visible at first,"},
		{"none missing", func(d *Document) { d.Read.MissingAtFirstRead, d.Read.FoundLater = 0, 0 }, "; none was missing at the first read."},
		{"not all acknowledged", func(d *Document) { of(d, 99_999, 0, 1) }, "100,000 of 100,000 rows were read"},
		{"unknown, not read", func(d *Document) { d.Read = nil; of(d, 99_999, 0, 1) }, "99,999 of 100,000 writes were acknowledged in us-east; 1 write has no known outcome: the rows may be there or not."},
		{"unknown, and there", func(d *Document) { of(d, 99_999, 0, 1).Unknown = results.Reads{Late: 1} }, "; 1 write has no known outcome: 1 is there, 0 are not."},
		{"unknown, and not told", func(d *Document) { of(d, 99_997, 0, 3).Unknown = results.Reads{Found: 1, Missing: 1, Failed: 1} }, "; 3 writes have no known outcome: 1 is there, 1 is not, of 1 it is not known."},
		{"failed", func(d *Document) { of(d, 99_998, 2, 0) }, "; 2 writes were refused or never sent."},
		{"failed, and not there", func(d *Document) { of(d, 99_998, 2, 0).Failed = results.Reads{Missing: 2} }, "; 2 writes were refused or never sent, and none of those rows is there."},
		{"failed, and there", func(d *Document) { of(d, 99_998, 2, 0).Failed = results.Reads{Found: 1, Missing: 1} }, "; 2 writes were refused or never sent, yet 1 is there: an error of crossring's own, please report it."},
		{"not all acknowledged, none lost", func(d *Document) { of(d, 99_999, 0, 1) }, "No acknowledged row was lost; with 95 % confidence the loss rate is below 3 in 99,999."},
		{"few", func(d *Document) { d.Outcomes.Acknowledged = results.Reads{Found: 29} }, "No row was lost, of 29 acknowledged rows: too few to say more."},
		{"none acknowledged", func(d *Document) { of(d, 0, 5, 0) }, "No row was acknowledged, so none can have been lost."},
		{"no read answered", func(d *Document) {
			d.Read.Rows, d.Read.Found, d.Read.Failed, d.Read.FoundLater, d.Read.MissingAtFirstRead = 5, 0, 5, 0, 0
		}, "No read was answered, so nothing is known of lost rows."},
		{"not all judged", func(d *Document) {
			d.Outcomes.Acknowledged = results.Reads{Found: 99_000, Failed: 900, Wrong: 99, Unread: 1}
		}, "None of 100,000 acknowledged rows is known to be lost, but 1,000 are not judged: not read, not readable, or with other bytes."},
		{"lost", func(d *Document) {
			d.Read.Found, d.Read.Missing, d.Read.MissingAcknowledged = 99_999, 1, ref(int64(1))
			d.Outcomes.Acknowledged, d.Lost = results.Reads{Found: 99_999, Missing: 1}, ref(int64(1))
		}, "LOST: 1 of 100,000 acknowledged rows, not there in us-west-2 by the deadline."},
		{"lost to another run's row", func(d *Document) {
			d.Read.Found, d.Read.Wrong, d.Read.MissingAcknowledged = 99_999, 1, ref(int64(1))
			d.Outcomes.Acknowledged, d.Lost = results.Reads{Found: 99_999, Wrong: 1}, ref(int64(1))
		}, "LOST: 1 of 100,000 acknowledged rows"},
		{"missing", func(d *Document) { d.Read.Found, d.Read.Missing = 99_999, 1 }, "; 1 never came before the deadline."},
		{"missing, writes not at hand", func(d *Document) {
			d.Read.Found, d.Read.Missing, d.Read.MissingAcknowledged, d.Account = 99_999, 1, nil, results.Account{}
		}, "Whether the missing rows had been acknowledged is not known"},
		{"damaged", func(d *Document) { d.Write.Damaged, d.Lost = true, nil }, "How many acknowledged rows were lost can't be known: the results are damaged."},
		{"damaged, said besides", func(d *Document) { d.Write.Damaged, d.Lost = true, nil }, "Do not trust these counts: the results of the write are damaged"},
		{"damaged, and some missing", func(d *Document) {
			d.Write.Damaged, d.Lost, d.Outcomes.Acknowledged = true, nil, results.Reads{Found: 97, Missing: 3}
		}, "Of the 100 acknowledged rows on record 3 are missing;"},
		{"another run's", func(d *Document) { d.Read.StaleAtFirstRead = 7 }, "; 7 showed another run's row at first."},
		{"a quorum of one and one", func(d *Document) { d.Read.Consistency = "QUORUM" }, "At QUORUM a read takes 2 of 2 replicas, and us-west-2 has 1: each answer waited for another region."},
		{"all of three here", func(d *Document) {
			d.Read.Consistency, d.Replication, d.RingBefore, d.RingAfter = "QUORUM", map[string]int{"us-east": 1, "us-west-2": 3}, nil, nil
		}, "At QUORUM a coordinator in us-west-2 may have asked a replica of another region"},
		{"a replica elsewhere alone", func(d *Document) { d.Replication = map[string]int{"us-east": 1} }, "At ONE a read takes 1 of 1 replicas, and us-west-2 has 0"},
		{"quick failures prove nothing", func(d *Document) { d.Read.Found, d.Read.Failed = 99_999, 1 }, "At ONE a coordinator in us-west-2 may have asked a replica"},
		{"wrong", func(d *Document) { d.Read.Found, d.Read.Wrong = 99_999, 1 }, "; 1 came back with other bytes."},
		{"local by time", func(*Document) {}, "99.9 % of the first reads took less than the round trip of 80.2 ms between regions, so they were answered within us-west-2."},
		{"all local by time", func(d *Document) { d.Read.Latency.Max = 79 }, "All of the first reads took less"},
		{"the longest were not recorded", func(d *Document) { d.Read.Latency.Max, d.Read.Overflow = 79, 1 }, "99.9 % of the first reads took less"},
		{"no round trip measured", func(d *Document) { d.RingBefore.RTT, d.RingAfter.RTT = nil, nil }, "At ONE a coordinator in us-west-2 may have asked a replica of another region; LOCAL_ONE would rule that out."},
		{"coordinated elsewhere", func(d *Document) { d.Read.Coordinators["127.9.2.1"] = 1 }, "1 attempt was coordinated by nodes outside us-west-2"},
		{"interrupted", func(d *Document) { d.Read.Interrupted, d.Read.Rows, d.Read.Found = true, 50, 50 }, "The read was cut short after 50 of 100,000 rows; the other 99,950 are not on record."},
		{"ring", func(d *Document) { d.RingAfter.Mismatches = make([]ringcheck.Mismatch, 2) }, "The ring afterwards is not as planned: 2 mismatches."},
		{"sums", func(d *Document) { d.Read.Found-- }, "Do not trust these counts: read counts do not add up: 99999 found"},
		{"not read", func(d *Document) { d.Read = nil }, "Nothing was read, so nothing is known of what arrived."},
		{"not written", func(d *Document) { d.Write, d.Read.MissingAcknowledged, d.Account = nil, nil, results.Account{} }, "No write is on record in this run"},
		{"nothing", func(d *Document) { d.Write, d.Read = nil, nil }, "Nothing was written and nothing was read."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := lagged()
			tt.change(&d)
			if got := strings.Join(Verdict(d), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("got\n%s\nwant in it\n%s", got, tt.want)
			}
		})
	}
}

// What does not add up is said, not smoothed over.
func TestCountsThatDoNotAddUpAreShown(t *testing.T) {
	d := lagged()
	d.Write.Acknowledged--
	var b bytes.Buffer
	if err := Text(&b, d); err != nil {
		t.Fatal(err)
	}
	if want := "acknowledged 99,999 + failed 0 + unknown 0 = 99,999, NOT the 100,000 rows attempted"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

func TestDocumentKeys(t *testing.T) {
	data, err := json.Marshal(New("gk"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"crossring/v1","cluster":"gk","cassandra_version":"","partitioner":"","value_bytes":0,` +
		`"ring_before":null,"ring_after":null,"write":null,"read":null,"outcomes":null,"lost":null,` +
		`"pairs":[],"keys_estimate":{"before":{},"after_write":{},"after_read":{}},"background":null,"run_dir":"","crossring":"","command":"","started":null,"host":null,"stages":[],"warnings":[],"network_faults":null,"wire":null,"servers":null,"servers_since":null}`
	if string(data) != want {
		t.Errorf("got\n%s\nwant\n%s", data, want)
	}
	full, err := json.Marshal(troubled())
	if err != nil {
		t.Fatal(err)
	}
	var back Document
	if err := json.Unmarshal(full, &back); err != nil {
		t.Fatal(err)
	}
	back.Replication = troubled().Replication // which is no part of it
	if !reflect.DeepEqual(back, troubled()) {
		t.Error("a document does not survive JSON")
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(-1234567), "-1,234,567"},
		{Count(-9223372036854775808), "-9,223,372,036,854,775,808"},
		{rate(16949.15), "16,949"}, {rate(99.96), "100.0"}, {rate(0), "0.0"},
		{millis(0.042), "0.04"}, {millis(9.999), "10.00"}, {millis(61), "61.0"}, {millis(1310.5), "1,311"},
		{span(999), "999 ms"}, {span(1902), "1.9 s"}, {span(120_400), "120 s"},
		{percentOff(99_999, 100_000), "-0.001 %"}, {percentOff(100_000, 100_000), "exact"}, {percentOff(102_500, 100_000), "+2.50 %"}, {percentOff(1, 0), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// A phase on its own looks at no ring, and its run may have more than it shows.
func TestPhaseOnItsOwn(t *testing.T) {
	d := lagged()
	read := *d.Read
	d.RingBefore, d.RingAfter, d.Write, d.Read = nil, nil, nil, &read
	text := func() string {
		var b bytes.Buffer
		if err := Text(&b, d); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	known := d.Account
	read.MissingAcknowledged, d.Account = nil, results.Account{}
	if got := text(); !strings.Contains(got, "datacenter not known") || !strings.Contains(got, "No write is on record in this run") {
		t.Errorf("nothing is known besides:\n%s", got)
	}
	read.MissingAcknowledged, d.Account = ref(int64(0)), known
	d.Endpoints = map[string][]string{"us-east": {"127.9.2.1"}, "us-west-2": {"127.9.2.2"}}
	if got := text(); !strings.Contains(got, "(us-west-2)") || strings.Contains(got, "not known") || strings.Contains(got, "No write is on record") {
		t.Errorf("places and acknowledgements are known:\n%s", got)
	}
}

// A run that goes every way fills the table from every side.
func TestKeysOfAllPairs(t *testing.T) {
	d := clean()
	back := *d.Write
	d.Pairs = []Pair{{From: "us-east", To: "us-west-2", Write: d.Write}, {From: "us-west-2", To: "us-east", Write: &back}, {From: "us-east", To: "us-east"}}
	for node := range d.KeysEstimate.Before {
		d.KeysEstimate.AfterWrite = map[string]int64{node: 2_000_000}
	}
	d.KeysEstimate.AfterRead = nil
	var b strings.Builder
	if err := Text(&b, d); err != nil {
		t.Fatal(err)
	}
	_, keys, _ := strings.Cut(b.String(), "Keys per node")
	keys, _, _ = strings.Cut(keys, "\n\n")
	if !regexp.MustCompile(`2,000,000 +- +2,000,000 +exact`).MatchString(keys) || !strings.Contains(keys, "of all pairs") {
		t.Errorf("each node should hold the rows of both:\n%s", keys)
	}
}
