package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestFoldMergesLoadersWithoutLoss(t *testing.T) {
	start := time.Unix(1_700_000_000, 0).UTC()
	whole := recordtest.Stream(t, recordtest.WritePhase(1, 1000, start), recordtest.Writes(1, 1000), &record.End{CPUMicros: 5000})
	a := recordtest.Stream(t, recordtest.WritePhase(1, 400, start), recordtest.Writes(1, 400), &record.End{CPUMicros: 2000})
	b := recordtest.Stream(t, recordtest.WritePhase(401, 600, start.Add(400*time.Millisecond)), recordtest.Writes(401, 600), &record.End{CPUMicros: 3000})
	one, err := FoldWrite(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	two, err := FoldWrite(bytes.NewReader(a), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if two.InFlight != 128 {
		t.Errorf("%d in flight together", two.InFlight)
	}
	two.InFlight = 64
	if !reflect.DeepEqual(one, two) {
		t.Errorf("whole  %+v\nmerged %+v", one, two)
	}
	if err := errors.Join(one.Check(), two.Check()); err != nil {
		t.Error(err)
	}
	if one.Seconds != 1 || one.OpsPerSec != 1000 || one.ClientCPUMicros != 5 {
		t.Errorf("%v s, %v/s, %v µs", one.Seconds, one.OpsPerSec, one.ClientCPUMicros)
	}
	// Rows 1 to 1000 took 1 to 1000 µs.
	for got, want := range map[float64]float64{one.Latency.P50: 0.5, one.Latency.P99: 0.99, one.Latency.Max: 1} {
		if math.Abs(got-want) > want/500 {
			t.Errorf("percentile %v, want %v", got, want)
		}
	}
}

func TestFoldCountsOverflow(t *testing.T) {
	recs := recordtest.Writes(1, 3)
	recs[1].Service = 11 * time.Minute
	s, err := FoldWrite(bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(1, 3, time.Unix(0, 0)), recs, &record.End{})))
	if err != nil || s.Overflow != 1 || s.Latency.Max > 1 || len(s.Warnings) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestFoldOfTheOtherOperation(t *testing.T) {
	raw := recordtest.Stream(t, recordtest.WritePhase(1, 3, time.Unix(0, 0)), recordtest.Writes(1, 3), &record.End{})
	if _, err := FoldRead(bytes.NewReader(raw)); err == nil {
		t.Error("a write was folded as a read")
	}
	if _, err := record.LoadAcks(bytes.NewReader(recordtest.Stream(t, recordtest.Phase, nil, &record.End{}))); err == nil {
		t.Error("acknowledgements were loaded from a read")
	}
	if _, err := FoldWrite(); err == nil {
		t.Error("nothing was folded")
	}
}

func TestFinalOutcomes(t *testing.T) {
	read := func(attempts ...record.Outcome) []record.Record {
		var recs []record.Record
		for i, o := range attempts {
			recs = append(recs, record.Record{Key: 1, Attempt: i, Outcome: o, Start: time.Duration(i) * time.Microsecond, Coordinator: "a", Lag: -1})
		}
		return recs
	}
	for name, c := range map[string]struct {
		recs                         []record.Record
		found, missing, wrong, again int64
	}{
		"found":            {read(record.Found), 1, 0, 0, 0},
		"later":            {read(record.Missing, record.Missing, record.Found), 1, 0, 0, 1},
		"never":            {read(record.Missing, record.Missing), 0, 1, 0, 0},
		"later failed":     {read(record.Missing, record.Failed), 0, 1, 0, 0},
		"failed and found": {read(record.Missing, record.Failed, record.Found), 1, 0, 0, 1},
		"wrong later":      {read(record.Missing, record.Wrong), 0, 0, 1, 0},
	} {
		p := recordtest.Phase
		p.FirstKey, p.Rows, p.Keys = 1, 1, nil
		s, err := FoldRead(bytes.NewReader(recordtest.Stream(t, p, c.recs, &record.End{})))
		if err == nil {
			err = s.Check()
		}
		if err != nil || s.Found != c.found || s.Missing != c.missing || s.Wrong != c.wrong || s.FoundLater != c.again {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestCheckFindsWhatDoesNotAddUp(t *testing.T) {
	frame := func(rows int64) Frame { return Frame{Rows: rows, RowsAsked: rows, Attempts: rows} }
	for name, err := range map[string]error{
		"write":       WriteSummary{Frame: frame(10), Acknowledged: 8, Unknown: 1}.Check(),
		"read":        ReadSummary{Frame: frame(10), Found: 10, Failed: 1}.Check(),
		"later":       ReadSummary{Frame: frame(10), Found: 10, FoundLater: 1}.Check(),
		"asked":       WriteSummary{Frame: Frame{Rows: 9, RowsAsked: 10, Attempts: 9}, Acknowledged: 9}.Check(),
		"coordinator": WriteSummary{Frame: Frame{Rows: 1, RowsAsked: 1, Attempts: 1, Coordinators: map[string]int64{"a": 2}}, Acknowledged: 1}.Check(),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHDRLogReadsBack(t *testing.T) {
	p := recordtest.WritePhase(1, 3000, time.UnixMilli(1_700_000_000_250).UTC())
	p.Rate = 1000
	raw := recordtest.Stream(t, p, recordtest.Writes(1, 3000), &record.End{})
	var log bytes.Buffer
	if err := WriteHDR(&log, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "#[Histogram log format version 1.3]") || !strings.Contains(log.String(), "Tag=write-rt,") {
		t.Errorf("%.400s", log.String())
	}
	all := newHistogram()
	rd := hdrhistogram.NewHistogramLogReader(&log)
	n := 0
	for {
		h, err := rd.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if h.Tag() == "write-st" {
			n++
			if dropped := all.Merge(h); dropped != 0 {
				t.Errorf("%d values dropped", dropped)
			}
		}
	}
	s, err := FoldWrite(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := percentiles(all); got != s.Latency || all.TotalCount() != 3000 {
		t.Errorf("%d intervals: %+v, want %+v", n, got, s.Latency)
	}
	secs, err := Seconds(bytes.NewReader(raw))
	if err != nil || len(secs) != n || secs[0].At != 0 || secs[0].Ops < 990 {
		t.Errorf("%+v, %v", secs, err)
	}
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a[1]*", "run")
	if _, err := Create(path, Meta{RunID: 1<<64 - 1, Cluster: "GK Cluster"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, Meta{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	d, err := Open(path)
	if err != nil || d.Meta.RunID != 1<<64-1 {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := d.Acks(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("acknowledgements of no write: %v", err)
	}
	start := time.Unix(1_700_000_000, 0)
	half := func(first int64) io.Reader {
		return bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(first, 50, start), recordtest.Writes(first, 50), &record.End{}))
	}
	g, err := d.Begin(record.OpWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Add("us-east-1", half(1)), g.Add("us-east-2", half(51))); err != nil {
		t.Fatal(err)
	}
	if err := g.Add("us-east-1", half(1)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("added twice: %v", err)
	}
	for _, bad := range []string{"", "../x", "a/b"} {
		if g.Add(bad, half(1)) == nil {
			t.Errorf("a loader may be called %q", bad)
		}
	}
	if _, err := d.Begin(record.OpWrite); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written twice: %v", err)
	}
	if _, err := d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var s Summary
	doc, err := os.ReadFile(filepath.Join(path, "summary.json"))
	if err == nil {
		err = json.Unmarshal(doc, &s)
	}
	if err != nil || s.Write == nil || s.Write.Acknowledged != 100 || s.Read != nil {
		t.Errorf("%s, %v", doc, err)
	}
	a, err := d.Acks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o, at := a.Lookup(51); o != record.Acknowledged || !at.Equal(start.Add(51*time.Microsecond)) {
		t.Errorf("key 51: %v at %v", o, at)
	}
	names, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range names {
		got = append(got, n.Name())
	}
	if want := []string{"meta.json", "summary.json", "write-us-east-1.raw", "write-us-east-2.raw", "write.hdr"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the directory has %v, not %v", got, want)
	}
}

func TestDirOfAnotherSchema(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "meta.json"), []byte(`{"schema":"crossring/v9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "crossring/v9") {
		t.Errorf("got %v", err)
	}
}
