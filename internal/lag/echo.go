package lag

import (
	"math"
	"time"
)

// Written is a row as its writer knew it, by the writer's clock.
type Written struct {
	Sent, Settled time.Duration
	Outcome       Outcome
}

// Sight is what looks in another region said of a row, by that region's clock: it was not there
// at Missed, NeverLooked where no look came before, and was there at Seen; 0 is not seen.
type Sight struct{ Missed, Seen time.Duration }

// NeverLooked is the Missed of a row that no look had missed.
const NeverLooked = time.Duration(math.MinInt64)

// Side is one region of a run in which each has a clock of its own, with an origin of its own:
// the rows that it wrote, in the order of their numbers, and what it saw of those of others.
type Side struct {
	Rows []Written
	Seen map[int][]Sight // by the number of the region that wrote; a row that it has not is not seen
	// Ended is when it looked no more.
	Ended   time.Duration
	Stopped bool // before all was seen or given up
	Late    int64
	Looks   map[int]Looks
}

// origin is when its first row was sent.
func (s Side) origin() time.Duration {
	if len(s.Rows) == 0 {
		return 0
	}
	return s.Rows[0].Sent
}

// Writes are what became of its rows.
func (s Side) Writes(name string) Writes {
	w := Writes{Datacenter: name, Rows: int64(len(s.Rows)), Late: s.Late}
	for _, row := range s.Rows {
		switch row.Outcome {
		case Acknowledged:
			w.Acknowledged++
		case Failed:
			w.Failed++
		default:
			w.Unknown++
		}
	}
	return w
}

// Span is how long it wrote.
func (s Side) Span() time.Duration {
	var last time.Duration
	for _, row := range s.Rows {
		last = max(last, row.Settled-s.origin())
	}
	return last
}

// offset bounds how far the clock of region b is before that of region a: nobody sees a row
// before it is sent. Each region's rows are the echo of the other's, so it takes both ways. The
// truth lies between the bounds whatever the clocks say, as long as they run equally fast; they
// are as far apart as the quickest way there and back. False where a way was never gone.
func offset(a, b int, sides []Side) (low, high time.Duration, known bool) {
	low, high = math.MinInt64, math.MaxInt64
	for seq, s := range sides[b].Seen[a] {
		if s.Seen != 0 && seq < len(sides[a].Rows) {
			high = min(high, s.Seen-sides[a].Rows[seq].Sent)
		}
	}
	for seq, s := range sides[a].Seen[b] {
		if s.Seen != 0 && seq < len(sides[b].Rows) {
			low = max(low, sides[b].Rows[seq].Sent-s.Seen)
		}
	}
	return low, high, low != math.MinInt64 && high != math.MaxInt64
}

// EchoPair folds what two regions saw of each other's rows into the lag from the first to the
// second, as Watch.Pair does by one clock. Each interval is wider by what is not known of the
// clocks. Where nothing at all is known of those, no row has an upper bound.
func EchoPair(names []string, from, to int, sides []Side, deadline time.Duration) Pair {
	low, high, known := offset(from, to, sides)
	end := sides[from].Ended
	if known {
		end = min(end, sides[to].Ended-high)
	}
	end -= sides[from].origin()
	p := pairOf(names[from], names[to], echoFates(from, to, sides, deadline), end, deadline, 0, nil)
	p.Looks = sides[to].Looks[from]
	if known {
		p.Offset = &Offset{math.Floor(float64(low)/1000) / 1000, math.Ceil(float64(high)/1000) / 1000}
	}
	return p
}

// echoFates are of all rows that a region acknowledged, as another one saw them.
func echoFates(from, to int, sides []Side, deadline time.Duration) []fate {
	low, high, known := offset(from, to, sides)
	there := sides[to]
	var all []fate
	for seq, row := range sides[from].Rows {
		if row.Outcome != Acknowledged {
			continue
		}
		f := fate{acknowledged: row.Settled - sides[from].origin()}
		f.High = Infinite
		var s Sight
		if list := there.Seen[from]; seq < len(list) {
			s = list[seq]
		}
		switch {
		case !known:
		case s.Seen != 0:
			if s.Missed != NeverLooked {
				f.Low = max(0, s.Missed-high-row.Settled)
			}
			f.High = max(0, s.Seen-low-row.Settled)
			f.width = f.High - f.Low
		default:
			f.Low = max(0, there.Ended-high-row.Settled)
			f.never = f.Low >= deadline
		}
		all = append(all, f)
	}
	return all
}
