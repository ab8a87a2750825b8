package results

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

// ended makes a record of how a first attempt at a key ended.
func ended(key int64, o record.Outcome) record.Record {
	r := record.Record{Key: key, Outcome: o, Coordinator: "a", Lag: -1}
	switch o {
	case record.Failed, record.Unknown:
		r.Class = "some_error"
	case record.Wrong:
		r.Class = record.ValueCorrupt.String()
	}
	return r
}

func staleRow(key int64) record.Record {
	r := ended(key, record.Wrong)
	r.Class = record.ValueStale.String()
	return r
}

func later(r record.Record, attempt int) record.Record {
	r.Attempt = attempt
	return r
}

func readPhase(first, rows int64) record.Phase {
	p := recordtest.Phase
	p.FirstKey, p.Rows, p.Keys = first, rows, nil
	return p
}

// put makes a run directory of raw results, by file name.
func put(t testing.TB, files map[string][]byte) *Dir {
	t.Helper()
	d, err := Create(t.TempDir(), Meta{RunID: 5})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range files {
		name = filepath.Join(d.Path, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, raw, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestEachRowByWriteAndRead(t *testing.T) {
	var wrote, read []record.Record
	var key int64
	row := func(w record.Outcome, reads ...record.Record) {
		wrote = append(wrote, ended(key, w))
		for i, r := range reads {
			r.Key = key
			read = append(read, later(r, i))
		}
		key++
	}
	for _, w := range []record.Outcome{record.Acknowledged, record.Failed, record.Unknown} {
		row(w, ended(0, record.Found))
		row(w, ended(0, record.Missing), ended(0, record.Found))
		row(w, staleRow(0), ended(0, record.Found))
		row(w, ended(0, record.Missing))
		row(w, staleRow(0), ended(0, record.Missing)) // another run's row, and then none
		row(w, ended(0, record.Missing), staleRow(0))
		row(w, ended(0, record.Wrong))
		row(w, ended(0, record.Missing), ended(0, record.Wrong))
		row(w, ended(0, record.Failed))
		row(w)
	}
	end := &record.End{}
	asked := recordtest.WritePhase(0, key, time.Unix(1, 0))
	d := put(t, map[string][]byte{
		"write.raw": recordtest.Stream(t, asked, wrote, end), "read.1/read.raw": recordtest.Stream(t, readPhase(0, key), read, end),
	})
	s, err := d.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	each := Reads{Found: 1, Late: 2, Missing: 1, Wrong: 4, Failed: 1, Unread: 1}
	if want := (Outcomes{each, each, each}); s.Outcomes == nil || *s.Outcomes != want {
		t.Errorf("got %+v", s.Outcomes)
	}
	// Of the acknowledged ones three have no row of this run, and no damaged one.
	if s.Lost == nil || *s.Lost != 3 || *s.Read.MissingAcknowledged != 3 {
		t.Errorf("lost %v, missing and acknowledged %v", s.Lost, s.Read.MissingAcknowledged)
	}
	if s.Outcomes.Acknowledged.Rows() != s.Write.Acknowledged || s.Outcomes.Failed.Rows() != s.Write.Failed || s.Outcomes.Unknown.Rows() != s.Write.Unknown {
		t.Errorf("%+v is not the write's %+v", s.Outcomes, s.Write)
	}
}

// The last word on each row, as Fates has it, and the keys that were acknowledged.
func TestFates(t *testing.T) {
	var read []record.Record
	want := map[int64]Fate{}
	row := func(f Fate, reads ...record.Record) {
		key := int64(len(want))
		want[key] = f
		for i, r := range reads {
			r.Key = key
			read = append(read, later(r, i))
		}
	}
	row(FateFound, ended(0, record.Found))
	row(FateFound, ended(0, record.Missing), ended(0, record.Found))
	row(FateFound, staleRow(0), ended(0, record.Found))
	row(FateLost, ended(0, record.Missing))
	row(FateLost, ended(0, record.Missing), staleRow(0))
	row(FateWrong, ended(0, record.Wrong))
	row(FateWrong, ended(0, record.Missing), ended(0, record.Wrong))
	row(FateFailed, ended(0, record.Failed))
	rows := int64(len(want))
	got := map[int64]Fate{}
	sum, err := Fates(bytes.NewReader(recordtest.Stream(t, readPhase(0, rows), read, &record.End{})), func(key int64, f Fate) { got[key] = f })
	if err != nil || !reflect.DeepEqual(got, want) || sum.Rows != rows || sum.FoundLater != 2 {
		t.Errorf("%v, want %v; %+v, %v", got, want, sum, err)
	}
	if _, err := Fates(bytes.NewReader(nil), func(int64, Fate) { t.Error("a row of nothing") }); err == nil {
		t.Error("no results are no read")
	}
	var wrote []record.Record
	for key, o := range []record.Outcome{record.Acknowledged, record.Unknown, record.Acknowledged, record.Acknowledged, record.Failed} {
		wrote = append(wrote, ended(int64(key), o))
	}
	acks, err := record.LoadAcks(bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(0, 9, time.Unix(1, 0)), wrote, &record.End{})))
	if err != nil {
		t.Fatal(err)
	}
	if keys := acks.Acknowledged(); !reflect.DeepEqual(keys, record.Keys{{First: 0, Rows: 1}, {First: 2, Rows: 2}}) {
		t.Errorf("acknowledged: %v", keys)
	}
}

func TestWhatCannotBeKnownIsNull(t *testing.T) {
	wrote := recordtest.Stream(t, recordtest.WritePhase(0, 3, time.Unix(1, 0)), []record.Record{ended(0, record.Acknowledged), ended(1, record.Acknowledged), ended(2, record.Failed)}, &record.End{})
	read := recordtest.Stream(t, readPhase(0, 3), []record.Record{ended(0, record.Found), ended(1, record.Missing), ended(2, record.Missing)}, &record.End{})
	broken := bytes.Clone(recordtest.Stream(t, recordtest.WritePhase(0, 3, time.Unix(1, 0)), []record.Record{ended(0, record.Acknowledged), ended(1, record.Acknowledged), ended(2, record.Failed)}, &record.End{}, 1))
	broken[len(broken)-len(wrote)/3] ^= 1
	for name, c := range map[string]struct {
		files          map[string][]byte
		outcomes, lost bool
		damaged        bool
	}{
		"nothing":       {nil, false, false, false},
		"written":       {map[string][]byte{"write.raw": wrote}, true, false, false},
		"read":          {map[string][]byte{"read.raw": read}, false, false, false},
		"both":          {map[string][]byte{"write.raw": wrote, "read.raw": read}, true, true, false},
		"damaged write": {map[string][]byte{"write.raw": broken, "read.raw": read}, true, false, true},
	} {
		s, err := put(t, c.files).Summary(t.Context())
		if err != nil || (s.Outcomes != nil) != c.outcomes || (s.Lost != nil) != c.lost {
			t.Errorf("%s: %+v, lost %v, %v", name, s.Outcomes, s.Lost, err)
		}
		if c.damaged && (!s.Write.Damaged || s.Write.Check() == nil || s.Read.MissingAcknowledged != nil) {
			t.Errorf("%s: it is not said: %+v", name, s.Write)
		}
	}
}

// Results that contradict themselves are not counted.
func TestNoFigureOfAContradiction(t *testing.T) {
	start := time.Unix(1, 0)
	w := func(first, rows int64) []byte {
		return recordtest.Stream(t, recordtest.WritePhase(first, rows, start), recordtest.Writes(first, rows), &record.End{})
	}
	recs := recordtest.Writes(0, 10)
	twice := append(recordtest.Writes(0, 10), recs[3])
	twice[9].Key = 3 // as many records as rows: one key twice, and one never
	for name, files := range map[string]map[string][]byte{
		"loaders that overlap":      {"write-a.raw": w(0, 100), "write-b.raw": w(50, 100)},
		"loaders with the same":     {"write-a.raw": w(0, 100), "write-b.raw": w(0, 100)},
		"a loader's and the whole":  {"write.raw": w(0, 100), "write-b.raw": w(50, 50)},
		"one inside another":        {"write-a.raw": w(20, 10), "write-b.raw": w(0, 100)},
		"two generations in one":    {"read.raw": recordtest.Stream(t, readPhase(0, 1), []record.Record{ended(0, record.Found)}, &record.End{}), "read-x.raw": recordtest.Stream(t, readPhase(0, 1), []record.Record{ended(0, record.Found)}, &record.End{})},
		"a key twice, one never":    {"write.raw": recordtest.Stream(t, recordtest.WritePhase(0, 10, start), twice[:10], &record.End{})},
		"a key that nobody asked":   {"write.raw": recordtest.Stream(t, recordtest.WritePhase(0, 10, start), append(recordtest.Writes(0, 9), ended(10, record.Acknowledged)), &record.End{})},
		"a read's outcome":          {"write.raw": recordtest.Stream(t, recordtest.WritePhase(0, 1, start), []record.Record{ended(0, record.Found)}, &record.End{})},
		"a write's outcome":         {"read.raw": recordtest.Stream(t, readPhase(0, 1), []record.Record{ended(0, record.Acknowledged)}, &record.End{})},
		"read again though found":   {"read.raw": recordtest.Stream(t, readPhase(0, 1), []record.Record{ended(0, record.Found), later(ended(0, record.Missing), 1)}, &record.End{})},
		"read again before a first": {"read.raw": recordtest.Stream(t, readPhase(0, 1), []record.Record{later(ended(0, record.Found), 1)}, &record.End{})},
	} {
		d := put(t, files)
		var contradiction *record.ContradictionError
		if s, err := d.Summary(t.Context()); !errors.As(err, &contradiction) || s.Write != nil || s.Read != nil {
			t.Errorf("%s: %+v %+v, %v", name, s.Write, s.Read, err)
		}
		if files["read.raw"] != nil || name == "a read's outcome" {
			continue
		}
		if _, err := d.Acks(t.Context()); !errors.As(err, &contradiction) {
			t.Errorf("%s: acknowledgements of it: %v", name, err)
		}
	}
}

func TestKeysOnRecord(t *testing.T) {
	start := time.Unix(1, 0)
	// Two loaders were cut short, each with a hole where a request was under way.
	a := recordtest.Stream(t, recordtest.WritePhase(1000, 100, start), append(recordtest.Writes(1000, 40), ended(1041, record.Unknown), ended(1042, record.Failed)), nil)
	b := recordtest.Stream(t, recordtest.WritePhase(1100, 100, start), recordtest.Writes(1100, 30), nil)
	d := put(t, map[string][]byte{"write-a.raw": a, "write-b.raw": b, "write-c.raw": nil})
	acks, err := d.Acks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := record.Keys{{First: 1000, Rows: 40}, {First: 1041, Rows: 2}, {First: 1100, Rows: 30}}
	if got := acks.Keys(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestAnEarlierReadIsSetAside(t *testing.T) {
	start := time.Unix(1, 0)
	wrote := recordtest.Stream(t, recordtest.WritePhase(0, 4, start), recordtest.Writes(0, 4), &record.End{})
	read := func(first, rows int64, o record.Outcome) []byte {
		var recs []record.Record
		for k := first; k < first+rows; k++ {
			recs = append(recs, ended(k, o))
		}
		return recordtest.Stream(t, readPhase(first, rows), recs, &record.End{})
	}
	files := map[string][]byte{
		"write-a.raw": wrote, "read.1.raw": []byte("of an older program"),
		"read-a.raw": read(0, 2, record.Missing), "read-b.raw": read(2, 2, record.Missing), // as an older program left them
	}
	counted := func(d *Dir) (found, missing int64) {
		t.Helper()
		s, err := d.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Read.Found, s.Read.Missing
	}
	d := put(t, files)
	if found, missing := counted(d); found != 0 || missing != 4 {
		t.Errorf("as it was: found %d, missing %d", found, missing)
	}
	for i, o := range []record.Outcome{record.Found, record.Missing, record.Found} {
		g, err := d.Begin(record.OpRead)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 { // by loaders
			err = errors.Join(g.Add("a", bytes.NewReader(read(0, 2, o))), g.Add("b", bytes.NewReader(read(2, 2, o))))
		} else {
			err = g.Add("whole", bytes.NewReader(read(0, 4, o)))
		}
		if err = errors.Join(err, g.Close()); err != nil {
			t.Fatal(err)
		}
		if found, missing := counted(d); (found == 4) != (o == record.Found) || found+missing != 4 {
			t.Errorf("read %d: found %d, missing %d", i+1, found, missing)
		}
	}
	// One that began nothing does not hide what there is, and leaves nothing.
	g, err := d.Begin(record.OpRead)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Add("x", bytes.NewReader(nil)); err != nil {
		t.Fatal(err)
	}
	if found, _ := counted(d); found != 4 {
		t.Errorf("with a read that has not begun: found %d", found)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a read that began nothing left %s: %v", g.dir, err)
	}
	if made, err := d.reads(); err != nil || !reflect.DeepEqual(made, []int{1, 2, 3}) {
		t.Errorf("reads %v, %v", made, err)
	}
}

// What a loader was asked for and never brought is not on record, and that is said.
func TestALoaderWithoutResults(t *testing.T) {
	p := recordtest.WritePhase(0, 100, time.Unix(1, 0))
	p.Parts, p.RowsInAll = 2, 200
	for name, files := range map[string]map[string][]byte{
		"no file":      {"write-a.raw": recordtest.Stream(t, p, recordtest.Writes(0, 100), &record.End{})},
		"no beginning": {"write-a.raw": recordtest.Stream(t, p, recordtest.Writes(0, 100), &record.End{}), "write-b.raw": []byte(recordtest.Mark)},
	} {
		s, err := put(t, files).Summary(t.Context())
		if err != nil || s.Write.Rows != 100 || s.Write.RowsAsked != 200 || !s.Write.Interrupted || len(s.Write.Warnings) == 0 {
			t.Errorf("%s: %+v, %v", name, s.Write, err)
		}
	}
}
