// Package background keeps a cluster busy while something else is measured on it: writes and
// reads of its own, in every datacenter, at a steady rate, on a table of its own and with an
// account of its own.
package background

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"

	"crossring/internal/cql"
	"crossring/internal/lag"
)

// Config is a load.
type Config struct {
	// Endpoints are the datacenters to load. Keyspace, Consistency and InFlight are set from
	// this Config.
	Endpoints       []cql.Endpoint
	Keyspace, Table string  // made by cql.CreateTable's statement
	Rate            float64 // operations a second in each datacenter: half of them are writes
	ValueBytes      int
	WriteLevel      string
	ReadLevel       string
}

const (
	inFlight = 64
	// keys are written and read again and again.
	keys = 100_000
)

// Load is one that runs.
type Load struct {
	cfg   Config
	sites []*site
	base  time.Time
	stop  context.CancelFunc
	all   sync.WaitGroup
}

// site is the part of one datacenter.
type site struct {
	name                  string
	write, read           *gocql.Session
	next                  atomic.Int64
	reads, writes, failed atomic.Int64
}

// Start connects and begins. Stop ends it; so does ctx.
func Start(ctx context.Context, cfg Config) (*Load, error) {
	l := &Load{cfg: cfg}
	for _, e := range cfg.Endpoints {
		s := &site{name: e.Datacenter}
		l.sites = append(l.sites, s)
		e.Keyspace, e.InFlight = cfg.Keyspace, inFlight
		for _, one := range []struct {
			to    **gocql.Session
			level string
		}{{&s.write, cfg.WriteLevel}, {&s.read, cfg.ReadLevel}} {
			e.Consistency = one.level
			session, err := cql.Open(ctx, e)
			if err != nil {
				l.close()
				return nil, fmt.Errorf("background load: %w", err)
			}
			*one.to = session
		}
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.base = time.Now()
	for _, s := range l.sites {
		for range inFlight {
			l.all.Go(func() { l.work(ctx, s) })
		}
	}
	return l, nil
}

// work makes one request after another, each when it is due.
func (l *Load) work(ctx context.Context, s *site) {
	var key [8]byte
	value := make([]byte, l.cfg.ValueBytes)
	r := rand.NewChaCha8([32]byte{byte(rand.Uint32())})
	lasting := context.WithoutCancel(ctx) // what is under way at the end is awaited, and counted
	write := s.write.Query("INSERT INTO "+cql.Quote(l.cfg.Table)+" (key, value) VALUES (?, ?)", (*bigint)(&key), &value).
		WithContext(lasting).RoutingKey(key[:])
	read := s.read.Query("SELECT value FROM "+cql.Quote(l.cfg.Table)+" WHERE key = ?", (*bigint)(&key)).
		WithContext(lasting).RoutingKey(key[:]).PageSize(0)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		i := s.next.Add(1) - 1
		timer.Reset(time.Duration(float64(i)/l.cfg.Rate*float64(time.Second)) - time.Since(l.base))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		binary.BigEndian.PutUint64(key[:], uint64(rand.Int64N(keys)))
		var err error
		if i%2 == 0 {
			_, _ = r.Read(value) // of a generator, which does not fail
			err = write.Exec()
			s.writes.Add(1)
		} else {
			err = read.Exec()
			s.reads.Add(1)
		}
		if err != nil {
			s.failed.Add(1)
		}
	}
}

// Stop ends the load and says what it came to.
func (l *Load) Stop() lag.Background {
	l.stop()
	l.all.Wait()
	seconds := time.Since(l.base).Seconds()
	l.close()
	res := lag.Background{RateAsked: l.cfg.Rate, Datacenters: []lag.BackgroundPart{}}
	for i, s := range l.sites {
		d := lag.BackgroundPart{Name: s.name, Reads: s.reads.Load(), Writes: s.writes.Load(), Failed: s.failed.Load()}
		d.Rate = float64(d.Reads+d.Writes) / seconds
		if i == 0 || d.Rate < res.Rate {
			res.Rate = d.Rate
		}
		res.Reads, res.Writes, res.Failed = res.Reads+d.Reads, res.Writes+d.Writes, res.Failed+d.Failed
		res.Datacenters = append(res.Datacenters, d)
	}
	return res
}

func (l *Load) close() {
	for _, s := range l.sites {
		for _, session := range []*gocql.Session{s.write, s.read} {
			if session != nil {
				session.Close()
			}
		}
	}
}

// bigint is an argument that the driver takes as it is.
type bigint [8]byte

// MarshalCQL is for the driver.
func (b *bigint) MarshalCQL(gocql.TypeInfo) ([]byte, error) { return b[:], nil }
