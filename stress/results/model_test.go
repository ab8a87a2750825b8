package results

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

var histories = flag.Int("histories", 1000, "how many random histories TestHistories tries")

// TestHistories makes up what may happen to a run: writes and reads with all their
// outcomes, by one process or by loaders, reads of reads, kills at any byte, runs
// before and after it under the same keys, and files that are damaged. What is
// folded from the files is held against a slow count that goes through the events
// of each key, one after the other, and knows nothing of files but which of the
// events came whole into one.
func TestHistories(t *testing.T) {
	seen := map[string]int{}
	for i := range *histories {
		r := rand.New(rand.NewPCG(uint64(i), 17))
		h := newHistory(t, r)
		h.happen()
		kind := h.damage()
		seen[kind]++
		for _, k := range h.kinds {
			seen[k]++
		}
		if why := h.check(kind); why != "" {
			t.Fatalf("history %d (%s; %v): %s", i, kind, h.kinds, why)
		}
	}
	var said []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		said = append(said, fmt.Sprintf("%s %d", k, seen[k]))
	}
	t.Logf("%d histories, 0 differences: %s", *histories, strings.Join(said, ", "))
	for _, kind := range []string{
		"no damage", "flipped bit", "cut in the middle", "two generations in one", "loaders that overlap", "key twice", "key of nobody", "more after the end",
		"killed loader", "loader without results", "read again", "row of another run", "reader killed",
	} {
		if *histories >= 1000 && seen[kind] == 0 {
			t.Errorf("%s never happened", kind)
		}
	}
}

// event is one record, and where it lies in its file.
type event struct {
	rec record.Record
	end int // of its block, in the file
}

// recording is the results of one loader as they would be, all of them.
type recording struct {
	name  string // in the run directory
	phase record.Phase
	raw   []byte
	ev    []event
}

type history struct {
	t     *testing.T
	r     *rand.Rand
	first int64
	rows  int64
	files map[string][]byte
	write []*recording
	reads [][]*recording // by generation, the newest last
	kinds []string
}

func newHistory(t *testing.T, r *rand.Rand) *history {
	return &history{t: t, r: r, first: record.FirstKey(r.Uint64()), rows: 1 + r.Int64N(120), files: map[string][]byte{}}
}

// record lays events out in a file, in blocks of random lengths, with an end or
// killed at a random byte.
func (h *history) record(name string, p record.Phase, recs []record.Record) *recording {
	var b bytes.Buffer
	w, err := record.NewWriter(&b, p)
	if err != nil {
		h.t.Fatal(err)
	}
	f := &recording{name: name, phase: p}
	for i := range recs {
		if err := w.Add(&recs[i]); err != nil {
			h.t.Fatal(err)
		}
		f.ev = append(f.ev, event{rec: recs[i]})
		if h.r.IntN(5) == 0 || i == len(recs)-1 {
			if err := w.Flush(); err != nil {
				h.t.Fatal(err)
			}
			for j := range f.ev {
				if f.ev[j].end == 0 {
					f.ev[j].end = b.Len()
				}
			}
		}
	}
	head := len(recordtest.Stream(h.t, p, nil, nil))
	killed := h.r.IntN(4) == 0
	if !killed {
		if err := w.End(record.End{}); err != nil {
			h.t.Fatal(err)
		}
	}
	f.raw = b.Bytes()
	if killed {
		if p.Op == record.OpRead {
			h.kinds = append(h.kinds, "reader killed")
		}
		h.kinds = append(h.kinds, "killed loader")
		// Not before it said what it is of: that is another kind.
		f.cut(head + h.r.IntN(len(f.raw)-head+1))
	}
	h.files[name] = f.raw
	return f
}

// cut is a kill: the bytes from there on were never written.
func (f *recording) cut(at int) {
	f.raw = f.raw[:at]
	f.ev = slices.DeleteFunc(f.ev, func(e event) bool { return e.end > at })
}

// phase gives the keys of an operation to loaders and records what each of them saw.
func (h *history) phase(op, dir string, keys record.Keys, attempts func(key int64) []record.Record) []*recording {
	loaders := h.r.IntN(4) // 0 is this process
	parts := keys.Split(max(loaders, 1))
	var all []*recording
	for i, part := range parts {
		name := dir + op + ".raw"
		if loaders > 0 {
			name = fmt.Sprintf("%s%s-us-east-1-%d.raw", dir, op, i+1)
		}
		p := record.Phase{Schema: topology.Schema, Op: op, Start: time.Unix(1000, 0).UTC(), Datacenter: "us-east", FirstKey: part[0].First, Rows: part.Count(),
			InFlight: 8, AcksKnown: true, Parts: len(parts), RowsInAll: keys.Count()}
		if len(part) > 1 {
			p.Keys = part
		}
		if len(parts) > 1 && h.r.IntN(12) == 0 && i > 0 {
			h.kinds = append(h.kinds, "loader without results")
			continue
		}
		// First attempts in about the order of the keys; later ones after their first.
		var recs []record.Record
		x := record.NewIndex(part)
		order := h.r.Perm(int(part.Count()))
		slices.SortFunc(order, func(a, b int) int { return a/8 - b/8 })
		var waiting [][]record.Record
		for _, n := range order {
			tries := attempts(x.Key(int64(n)))
			recs = append(recs, tries[0])
			if len(tries) > 1 {
				waiting = append(waiting, tries[1:])
			}
			for len(waiting) > 0 && h.r.IntN(2) == 0 {
				at := h.r.IntN(len(waiting))
				recs = append(recs, waiting[at][0])
				if waiting[at] = waiting[at][1:]; len(waiting[at]) == 0 {
					waiting = slices.Delete(waiting, at, at+1)
				}
			}
		}
		for _, w := range waiting {
			recs = append(recs, w...)
		}
		if h.r.IntN(6) == 0 { // told to stop: what was not begun is not there
			keep := h.r.IntN(len(recs) + 1)
			recs = recs[:keep]
		}
		all = append(all, h.record(name, p, recs))
	}
	return all
}

func (h *history) happen() {
	wrote := map[int64]record.Outcome{} // as far as is on record
	h.write = h.phase(record.OpWrite, "", record.Keys{{First: h.first, Rows: h.rows}}, func(key int64) []record.Record {
		return []record.Record{ended(key, []record.Outcome{record.Acknowledged, record.Acknowledged, record.Acknowledged, record.Failed, record.Unknown}[h.r.IntN(5)])}
	})
	var ranges []record.Range
	for _, f := range h.write {
		for _, e := range f.ev {
			wrote[e.rec.Key] = e.rec.Outcome
			ranges = append(ranges, record.Range{First: e.rec.Key, Rows: 1})
		}
	}
	keys, ok := record.Join(ranges)
	if !ok {
		h.t.Fatal("a key was made up twice")
	}
	for n := 1; n <= h.r.IntN(4) && len(keys) > 0; n++ {
		dir := fmt.Sprintf("read.%d/", n)
		old := h.r.IntN(3) == 0 // rows of another run stand under the keys
		h.reads = append(h.reads, h.phase(record.OpRead, dir, keys.FirstN(1+h.r.Int64N(keys.Count())), func(key int64) []record.Record {
			var recs []record.Record
			for try := 0; ; try++ {
				rec := ended(key, []record.Outcome{record.Found, record.Missing, record.Missing, record.Wrong, record.Failed, record.Found}[h.r.IntN(6)])
				if try > 0 && h.r.IntN(3) > 0 {
					rec = ended(key, record.Missing)
				}
				if old && h.r.IntN(3) == 0 {
					rec = staleRow(key)
					h.kinds = append(h.kinds, "row of another run")
				}
				rec = later(rec, try)
				if try == 0 && rec.Unseen() {
					rec.Written = wrote[key]
				}
				recs = append(recs, rec)
				first := recs[0]
				if !first.Unseen() || rec.Outcome == record.Found || rec.Outcome == record.Wrong && !rec.Stale() || try > 5 {
					return recs
				}
				h.kinds = append(h.kinds, "read again")
			}
		}))
	}
	h.kinds = slices.Compact(slices.Sorted(slices.Values(h.kinds)))
}

// newest are the results of the newest read, those of loaders that brought any.
func (h *history) newest() []*recording {
	for _, g := range slices.Backward(h.reads) {
		if len(g) > 0 {
			return g
		}
	}
	return nil
}

// damage does something to the files that no crossring does, or nothing.
func (h *history) damage() string {
	of := h.write
	if n := h.newest(); len(n) > 0 && h.r.IntN(2) == 0 {
		of = n
	}
	if len(of) == 0 {
		return "no damage"
	}
	f := of[h.r.IntN(len(of))]
	head := len(recordtest.Stream(h.t, f.phase, nil, nil))
	add := func(name string, p record.Phase, recs []record.Record) {
		h.files[name] = recordtest.Stream(h.t, p, recs, &record.End{})
	}
	other := f.name[:strings.LastIndex(f.name, "/")+1] + f.phase.Op + "-zz.raw"
	switch h.r.IntN(12) {
	case 0, 1:
		if len(f.raw) == head {
			return "no damage"
		}
		at := head + h.r.IntN(len(f.raw)-head)
		raw := bytes.Clone(f.raw)
		raw[at] ^= 1 << h.r.IntN(8)
		h.files[f.name] = raw
		return "flipped bit"
	case 2:
		if len(f.raw) < head+3 {
			return "no damage"
		}
		from := head + h.r.IntN(len(f.raw)-head-2)
		raw := slices.Concat(f.raw[:from], f.raw[from+1+h.r.IntN(len(f.raw)-from-2):])
		h.files[f.name] = raw
		return "cut in the middle"
	case 3:
		add(other, f.phase, nil)
		return "two generations in one"
	case 4:
		p := f.phase
		p.Keys, p.FirstKey, p.Rows = nil, f.phase.Asked()[0].First-3, 4
		add(other, p, nil)
		return "loaders that overlap"
	case 5:
		if len(f.ev) == 0 {
			return "no damage"
		}
		recs := records(f)
		first := recs[h.r.IntN(len(recs))]
		first.Attempt, first.Lag = 0, -1
		add(f.name, f.phase, append(recs, first))
		return "key twice"
	case 6:
		stranger := ended(f.phase.Asked()[len(f.phase.Asked())-1].End()+h.r.Int64N(3), record.Acknowledged)
		if f.phase.Op == record.OpRead {
			stranger.Outcome = record.Found
		}
		add(f.name, f.phase, append(records(f), stranger))
		return "key of nobody"
	case 7:
		add(f.name, f.phase, records(f))
		h.files[f.name] = append(h.files[f.name], h.files[f.name][len(recordtest.Mark):]...)
		return "more after the end"
	}
	return "no damage"
}

func records(f *recording) []record.Record {
	var recs []record.Record
	for _, e := range f.ev {
		recs = append(recs, e.rec)
	}
	return recs
}

// counted is what the slow count comes to.
type slow struct {
	outcomes          Outcomes
	lost              int64
	acked, failed, un int64
	found, later      int64
	missing, wrong    int64
	unread, rows      int64
	keys              []int64
}

// count goes through the events of each key.
func (h *history) count() slow {
	var s slow
	first, last := h.first, h.first+h.rows
	for key := first; key < last; key++ {
		var wrote record.Outcome
		for _, f := range h.write {
			for _, e := range f.ev {
				if e.rec.Key == key {
					wrote = e.rec.Outcome
				}
			}
		}
		// What was seen, one after the other, until it was settled.
		var firstSeen, final record.Outcome
		another := false
		for _, f := range h.newest() {
			for _, e := range f.ev {
				if e.rec.Key != key {
					continue
				}
				o := e.rec.Outcome
				ofAnother := o == record.Wrong && e.rec.Class == "stale_run"
				if firstSeen == 0 {
					firstSeen, final, another = o, o, ofAnother
					continue
				}
				if ofAnother {
					another, final = true, record.Wrong
				} else if o == record.Found || o == record.Wrong {
					another, final = false, o
				}
			}
		}
		late := final == record.Found && firstSeen != record.Found
		if firstSeen != 0 {
			s.rows++
			switch final {
			case record.Found:
				s.found++
				if late {
					s.later++
				}
			case record.Missing:
				s.missing++
			case record.Wrong:
				s.wrong++
			case record.Failed:
				s.unread++
			}
		}
		var reads *Reads
		switch wrote {
		case record.Acknowledged:
			reads = &s.outcomes.Acknowledged
			s.acked++
			if firstSeen != 0 && (final == record.Missing || another) {
				s.lost++
			}
		case record.Failed:
			reads = &s.outcomes.Failed
			s.failed++
		case record.Unknown:
			reads = &s.outcomes.Unknown
			s.un++
		default:
			continue
		}
		s.keys = append(s.keys, key)
		switch {
		case firstSeen == 0:
			reads.Unread++
		case late:
			reads.Late++
		case final == record.Found:
			reads.Found++
		case final == record.Missing:
			reads.Missing++
		case final == record.Wrong:
			reads.Wrong++
		case final == record.Failed:
			reads.Failed++
		}
	}
	return s
}

// check folds the files and says what is not as it should be.
func (h *history) check(kind string) string {
	d := put(h.t, h.files)
	got, err := d.Summary(h.t.Context())
	var contradiction *record.ContradictionError
	switch kind {
	case "two generations in one", "loaders that overlap", "key twice", "key of nobody":
		if !errors.As(err, &contradiction) || got.Write != nil || got.Read != nil || got.Outcomes != nil || got.Lost != nil {
			return fmt.Sprintf("figures were made of a contradiction: %+v, %v", got, err)
		}
		return ""
	case "flipped bit", "cut in the middle":
		// What is said is less than all, and it is said that it is; or it can't be
		// told at all.
		if err != nil {
			return ""
		}
		if got.Lost != nil && (got.Write != nil && got.Write.Damaged || got.Read != nil && got.Read.Damaged) {
			return "of damaged results it is said how many rows were lost"
		}
		for _, f := range []*Frame{frameOf(got.Write), readFrameOf(got.Read)} {
			if f != nil && len(f.Warnings) > 0 && (f.Damaged || f.Interrupted) {
				return ""
			}
		}
		return fmt.Sprintf("nothing is said of the damage: %+v %+v", got.Write, got.Read)
	case "more after the end":
		if err == nil && !(got.Write != nil && got.Write.Damaged) && !(got.Read != nil && got.Read.Damaged) {
			return "nothing is said of what follows the end"
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	want := h.count()
	if got.Write == nil {
		if len(h.write) > 0 {
			return "there is no write"
		}
		return ""
	}
	w := got.Write
	if w.Acknowledged != want.acked || w.Failed != want.failed || w.Unknown != want.un || w.RowsAsked != h.rows || w.Rows != int64(len(want.keys)) {
		return fmt.Sprintf("write %+v, want %+v", w, want)
	}
	if got.Outcomes == nil || *got.Outcomes != want.outcomes {
		return fmt.Sprintf("outcomes %+v, want %+v", got.Outcomes, want.outcomes)
	}
	acks, err := d.Acks(h.t.Context())
	if err != nil {
		return err.Error()
	}
	var keys []int64
	for i, x := int64(0), record.NewIndex(acks.Keys()); i < acks.Keys().Count(); i++ {
		keys = append(keys, x.Key(i))
	}
	if !reflect.DeepEqual(keys, want.keys) {
		return fmt.Sprintf("keys on record %v, want %v", keys, want.keys)
	}
	if h.newest() == nil {
		if got.Lost != nil || got.Read != nil {
			return "there is a read that never was"
		}
		return ""
	}
	r := got.Read
	if r == nil || r.Found != want.found || r.FoundLater != want.later || r.Missing != want.missing || r.Wrong != want.wrong || r.Failed != want.unread || r.Rows != want.rows {
		return fmt.Sprintf("read %+v, want %+v", r, want)
	}
	if got.Lost == nil || *got.Lost != want.lost || r.MissingAcknowledged == nil || *r.MissingAcknowledged != want.lost {
		return fmt.Sprintf("lost %v, want %d", got.Lost, want.lost)
	}
	// The reader itself knew as much, from the outcomes that it was told of.
	var raws [][]byte
	for _, f := range h.newest() {
		raws = append(raws, f.raw)
	}
	if alone := foldedAlone(h.t, raws); alone.MissingAcknowledged == nil || *alone.MissingAcknowledged != want.lost {
		return fmt.Sprintf("from the read alone: lost %v, want %d", alone.MissingAcknowledged, want.lost)
	}
	return ""
}

func frameOf(s *WriteSummary) *Frame {
	if s == nil {
		return nil
	}
	return &s.Frame
}

func readFrameOf(s *ReadSummary) *Frame {
	if s == nil {
		return nil
	}
	return &s.Frame
}

func foldedAlone(t *testing.T, raws [][]byte) ReadSummary {
	t.Helper()
	var in []io.Reader
	for _, raw := range raws {
		in = append(in, bytes.NewReader(raw))
	}
	s, err := FoldRead(in...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
