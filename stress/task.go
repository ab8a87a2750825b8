package stress

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"crossring/stress/record"
)

// task is what one worker does. Everything in it is used again for each row.
type task struct {
	p       *phase
	w       worker
	lease   *lease
	pacer   pacer
	value   []byte
	key     int64
	verdict record.Verdict
	see     func(value []byte)
	rec     record.Record
	row     acknowledged // where the phase follows a write: what is read for the first time
	timer   *time.Timer
}

func (p *phase) newTask(d driver, w *watch) *task {
	t := &task{p: p, lease: w.lease(), pacer: pacer{p.cfg.Rate}, timer: time.NewTimer(time.Hour)}
	t.timer.Stop()
	t.w = d.worker(t.lease)
	if p.cfg.Op == record.OpWrite {
		t.value = make([]byte, p.cfg.ValueBytes)
	}
	t.see = func(value []byte) { t.verdict = record.Check(value, p.cfg.RunID, t.key, p.cfg.ValueBytes) }
	return t
}

// firsts attempts rows for the first time until there are none left.
func (t *task) firsts() {
	p := t.p
	pause := pauseNotSent
	for p.stop.Err() == nil {
		key, due, ok := t.next()
		if !ok {
			return
		}
		t.attempt(key, 0, due)
		p.done.Add(1)
		if t.rec.Unseen() && p.queue != nil {
			p.queue.add(reread{key: t.key, first: t.rec.Start + t.rec.Service})
		}
		if t.rec.Coordinator != "" {
			pause = pauseNotSent
			p.reached.Store(int64(p.now()))
			continue
		}
		if since := p.now() - time.Duration(p.reached.Load()); since > unreachableMost {
			p.fail(&UnreachableError{Datacenter: p.cfg.Endpoint.Datacenter, For: unreachableMost, Err: errors.New(t.rec.Example)})
			return
		}
		if !t.sleep(pause) {
			return
		}
		pause = min(2*pause, pauseMost)
	}
}

// next is the row to attempt, and when that is due; it waits until then.
func (t *task) next() (key int64, due time.Duration, ok bool) {
	p := t.p
	if p.cfg.follows() {
		row, ok := p.cfg.Follow.next(p.stop)
		t.row = row
		due = row.at.Add(p.cfg.Follow.after).Sub(p.base)
		if ok {
			t.lateBy(p.now() - due)
		}
		return row.key, due, ok
	}
	i := p.next.Add(1) - 1
	if i >= p.cfg.Rows {
		return 0, 0, false
	}
	if p.cfg.Rate > 0 {
		due = t.pacer.due(i)
		if lag := p.now() - due; !t.lateBy(lag) && !t.sleep(-lag) {
			return 0, 0, false
		}
	}
	return p.keys.Key(i), due, true
}

// lateBy counts a start that is late, and says whether it is.
func (t *task) lateBy(lag time.Duration) bool {
	if lag <= lateStart {
		return false
	}
	t.p.late.Add(1)
	storeMax(&t.p.lag, lag.Microseconds())
	return true
}

// leave gives back what the worker holds by itself.
func (t *task) leave() {
	if w, ok := t.w.(interface{ close() }); ok {
		w.close()
	}
}

// rereads asks for missing rows again until none is waited for.
func (t *task) rereads() {
	q := t.p.queue
	for r := range q.due {
		t.attempt(r.key, r.attempt, 0)
		switch {
		case t.rec.Outcome == record.Found || t.rec.Outcome == record.Wrong && !t.rec.Stale():
			q.settled()
		default:
			q.again(r, t.rec.Start+t.rec.Service)
		}
	}
}

// attempt makes one request and records it in t.rec and in the raw results.
func (t *task) attempt(key int64, n int, due time.Duration) {
	p := t.p
	t.key = key
	if t.value != nil {
		record.Fill(t.value, p.cfg.RunID, key)
	}
	start := p.now()
	t.lease.begin(start)
	var a answer
	if t.value != nil {
		a = t.w.write(key, t.value)
	} else {
		a = t.w.read(key, t.see)
	}
	end := p.now()
	t.lease.end()

	t.rec = record.Record{Key: key, Attempt: n, Start: start, Service: end - start, Coordinator: a.coordinator, Lag: -1}
	if n == 0 && (p.cfg.Rate > 0 || p.cfg.follows()) {
		t.rec.Delay = max(0, start-due)
	}
	t.judge(a, end)
	if t.rec.Class != "" && !t.rec.Stale() {
		p.bad.Add(1)
	}
	if err := p.raw.Add(&t.rec); err != nil {
		p.fail(err)
	}
}

// judge sets the outcome of the attempt that ended at end.
func (t *task) judge(a answer, end time.Duration) {
	p, r := t.p, &t.rec
	switch {
	case a.err != nil:
		r.Class, r.Example = a.failure.class, a.err.Error()
		r.Outcome = record.Failed
		if t.value != nil {
			r.Outcome = a.failure.writeOutcome()
		}
		if a.failure.fate == notSent {
			r.Coordinator = ""
		}
	case t.value != nil:
		r.Outcome = record.Acknowledged
		if p.cfg.Follow != nil {
			p.cfg.Follow.add(r.Key, p.base.Add(end))
		}
	case !a.found:
		r.Outcome = record.Missing
	case t.verdict != record.ValueOK:
		r.Outcome = record.Wrong
		r.Class, r.Example = t.verdict.String(), fmt.Sprintf("key %d", r.Key)
	default:
		r.Outcome = record.Found
		if r.Attempt > 0 {
			if written, at := p.written(r.Key); written == record.Acknowledged {
				// A clock that was put back has it seen before it was written: not known, rather than 0.
				r.Lag = max(-1, p.base.Add(end).Sub(at))
			}
		}
	}
	if r.Attempt == 0 && r.Unseen() {
		if p.cfg.follows() {
			p.cfg.Follow.missed(t.row)
		}
		r.Written, _ = p.written(r.Key)
	}
}

// written is what became of the write of a row, and when, as far as a read knows.
func (p *phase) written(key int64) (record.Outcome, time.Time) {
	if p.cfg.follows() {
		return p.cfg.Follow.lookup(key)
	}
	return p.cfg.Acks.Lookup(key)
}

// sleep waits, and says whether the phase goes on.
func (t *task) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t.timer.Reset(d)
	select {
	case <-t.timer.C:
		return true
	case <-t.p.stop.Done():
		t.timer.Stop()
		return false
	}
}

func storeMax(to *atomic.Int64, v int64) {
	for {
		old := to.Load()
		if v <= old || to.CompareAndSwap(old, v) {
			return
		}
	}
}
