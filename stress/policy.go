package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"crossring/internal/cql"
	"crossring/stress/record"
)

// Policy says how long connections live: one session for all, one for each
// request, or one for each worker that is made anew after so many requests or so
// much time, whichever is first. Each session's limits are drawn between half and
// one and a half of what is said, so that workers do not all connect at once.
type Policy struct {
	PerRequest bool
	Requests   int           // 0 is no limit
	Life       time.Duration // 0 is no limit
}

// Shared says that one session serves all.
func (p Policy) Shared() bool { return p == Policy{} }

// String is the policy as ParsePolicy reads it.
func (p Policy) String() string {
	switch {
	case p.Shared():
		return "shared"
	case p.PerRequest:
		return "per-request"
	}
	var parts []string
	if p.Requests > 0 {
		parts = append(parts, strconv.Itoa(p.Requests)+"req")
	}
	if p.Life > 0 {
		parts = append(parts, p.Life.String())
	}
	return "renew:" + strings.Join(parts, ",")
}

// ParsePolicy reads "shared", which is also "", "per-request", or "renew:" with a
// number of requests, a duration, or both: "renew:50req,10m".
func ParsePolicy(text string) (Policy, error) {
	bad := func() (Policy, error) {
		return Policy{}, fmt.Errorf("%q is no connection policy: shared, per-request, or renew:50req,10m", text)
	}
	switch text {
	case "", "shared":
		return Policy{}, nil
	case "per-request":
		return Policy{PerRequest: true}, nil
	}
	limits, ok := strings.CutPrefix(text, "renew:")
	if !ok {
		return bad()
	}
	var p Policy
	for _, part := range strings.Split(limits, ",") {
		if n, ok := strings.CutSuffix(part, "req"); ok {
			var err error
			if p.Requests, err = strconv.Atoi(n); err != nil || p.Requests < 1 {
				return bad()
			}
			continue
		}
		var err error
		if p.Life, err = time.ParseDuration(part); err != nil || p.Life <= 0 {
			return bad()
		}
	}
	return p, nil
}

func connections(p Policy, c *cql.Counts) record.Connections {
	return record.Connections{
		Policy: p.String(), Sessions: c.Sessions.Load(), Flows: c.Flows.Load(),
		FullHandshakes: c.Full.Load(), ResumedHandshakes: c.Resumed.Load(),
	}
}

// renewing is a driver whose workers have sessions of their own.
type renewing struct {
	cfg Config
}

func (r *renewing) close() {}

func (r *renewing) worker(ctx context.Context) worker {
	return &renewingWorker{cfg: r.cfg, ctx: ctx}
}

type renewingWorker struct {
	cfg      Config
	ctx      context.Context
	session  *cluster // nil until the first request
	worker   worker
	requests int       // left
	until    time.Time // zero is without an end
}

// Draw draws the limits of one session: how many requests it is for, -1 where that is
// not limited, and how long it lives, 0 where it lives on.
func (p Policy) Draw() (requests int, life time.Duration) {
	requests = -1
	switch {
	case p.PerRequest:
		requests = 1
	case p.Requests > 0:
		requests = max(1, p.Requests/2+rand.IntN(p.Requests+1))
	}
	if p.Life > 0 {
		life = p.Life/2 + rand.N(p.Life+1)
	}
	return requests, life
}

// ready sees that there is a session with something left of its life.
func (w *renewingWorker) ready() error {
	if w.session != nil && (w.requests == 0 || !w.until.IsZero() && time.Now().After(w.until)) {
		w.drop()
	}
	if w.session != nil {
		return nil
	}
	cfg := w.cfg
	cfg.InFlight, cfg.MissingDeadline = 1, 0 // the worker's own request at a time
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), cql.DefaultTimeout)
	defer cancel()
	c, err := openCluster(ctx, cfg)
	if err != nil {
		return err
	}
	requests, life := w.cfg.Policy.Draw()
	w.session, w.worker, w.requests, w.until = c, c.worker(w.ctx), requests, time.Time{}
	if life > 0 {
		w.until = time.Now().Add(life)
	}
	return nil
}

func (w *renewingWorker) drop() {
	if w.session != nil {
		w.session.close()
		w.session, w.worker = nil, nil
	}
}

// do makes one request. A session that lost its connection is not used again.
func (w *renewingWorker) do(request func(worker) answer) answer {
	if err := w.ready(); err != nil {
		return answer{err: fmt.Errorf("a new session: %w", err), failure: failure{"no_connection", notSent}}
	}
	if w.requests > 0 {
		w.requests--
	}
	a := request(w.worker)
	if w.requests == 0 || a.err != nil && !errors.Is(a.err, context.Canceled) {
		w.drop()
	}
	return a
}

func (w *renewingWorker) write(key int64, value []byte) answer {
	return w.do(func(one worker) answer { return one.write(key, value) })
}

func (w *renewingWorker) read(key int64, see func([]byte)) answer {
	return w.do(func(one worker) answer { return one.read(key, see) })
}

func (w *renewingWorker) close() { w.drop() }
