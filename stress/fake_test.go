package stress

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"crossring/stress/record"
)

// fake is a cluster in memory. Its hooks may be nil.
type fake struct {
	mu     sync.Mutex
	rows   map[int64][]byte
	hidden map[int64]int // reads that a key is still missing for
	stale  map[int64]int // reads that give the value of run 99
	reads  map[int64]int

	inFlight, most atomic.Int64
	onWrite        func(ctx context.Context, key int64) *answer
	onRead         func(ctx context.Context, key int64) *answer
}

func newFake() *fake {
	return &fake{rows: map[int64][]byte{}, hidden: map[int64]int{}, stale: map[int64]int{}, reads: map[int64]int{}}
}

type fakeWorker struct {
	f   *fake
	ctx context.Context
}

func (f *fake) worker(ctx context.Context) worker { return &fakeWorker{f, ctx} }
func (f *fake) close()                            {}

func (w *fakeWorker) enter() func() {
	n := w.f.inFlight.Add(1)
	for old := w.f.most.Load(); n > old && !w.f.most.CompareAndSwap(old, n); old = w.f.most.Load() {
	}
	return func() { w.f.inFlight.Add(-1) }
}

func (w *fakeWorker) write(key int64, value []byte) answer {
	defer w.enter()()
	if w.f.onWrite != nil {
		if a := w.f.onWrite(w.ctx, key); a != nil {
			return *a
		}
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.rows[key] = bytes.Clone(value)
	return answer{coordinator: "192.0.2.1"}
}

func (w *fakeWorker) read(key int64, see func([]byte)) answer {
	defer w.enter()()
	if w.f.onRead != nil {
		if a := w.f.onRead(w.ctx, key); a != nil {
			return *a
		}
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.reads[key]++
	v, ok := w.f.rows[key]
	if !ok || w.f.reads[key] <= w.f.hidden[key] {
		return answer{coordinator: "192.0.2.2"}
	}
	if w.f.reads[key] <= w.f.stale[key] {
		v = bytes.Clone(v)
		record.Fill(v, 99, key)
	}
	see(v)
	return answer{coordinator: "192.0.2.2", found: true}
}
