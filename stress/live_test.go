package stress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/cql"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/stress/results"
)

// Running nodes of one datacenter to test against: their addresses with commas
// between, their series (5.0 unless said), and how many rows to write.
const (
	liveAddress = "CROSSRING_TEST_CQL"
	liveSeries  = "CROSSRING_TEST_CASSANDRA"
	liveRows    = "CROSSRING_TEST_ROWS"
)

func liveEndpoint(t testing.TB) cql.Endpoint {
	if os.Getenv(liveAddress) == "" {
		t.Skipf("runs by hand, with a Cassandra node in datacenter1, and %s set to its address", liveAddress)
	}
	addresses := strings.Split(os.Getenv(liveAddress), ",")
	broadcast := map[string]string{}
	for i, a := range addresses {
		broadcast[a] = fmt.Sprintf("198.51.100.%d", i+1)
	}
	series := os.Getenv(liveSeries)
	if series == "" {
		series = "5.0"
	}
	rel, err := release.Find(series)
	if err != nil {
		t.Fatal(err)
	}
	return cql.Endpoint{
		Addresses: addresses, Release: rel, Datacenter: "datacenter1",
		Broadcast: broadcast, Timeout: time.Minute,
	}
}

func TestLiveWriteAndRead(t *testing.T) {
	e := liveEndpoint(t)
	rows := int64(2000)
	if s := os.Getenv(liveRows); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows = n
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := cql.Probe(ctx, e); err != nil {
		t.Fatal(err)
	}
	ks := topology.Keyspace{Name: "Stress_live", Table: "Rows", Replication: map[string]int{"datacenter1": 1}}
	s, err := cql.Open(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if err := cql.CreateKeyspace(ctx, s, e.Release, ks); err != nil {
			t.Fatal(err)
		}
		if err := cql.CreateTable(ctx, s, e.Release, ks); err != nil {
			t.Fatal(err)
		}
	}
	other := ks
	other.Replication = map[string]int{"datacenter1": 2}
	var differs *cql.ReplicationError
	if err := cql.CreateKeyspace(ctx, s, e.Release, other); !errors.As(err, &differs) {
		t.Errorf("a keyspace with another replication gave %v", err)
	} else {
		t.Log(err)
	}

	elsewhere := e
	elsewhere.Datacenter = "datacenter2"
	if !e.Release.NoHostLookup {
		var dc *cql.DatacenterError
		if s, err := cql.Open(ctx, elsewhere); !errors.As(err, &dc) {
			t.Errorf("another datacenter gave %v", err)
			if s != nil {
				s.Close()
			}
		} else {
			t.Log(err)
		}
	}

	d, err := results.Create(t.TempDir(), results.Meta{RunID: uint64(time.Now().UnixNano())})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Endpoint: e, Keyspace: ks.Name, Table: ks.Table, FirstKey: time.Now().UnixMicro(), Rows: rows, ValueBytes: 2048,
		MissingDeadline: time.Second, Consistency: "LOCAL_ONE",
	}
	s1, err := Write(ctx, d, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := s1.Write
	t.Logf("write: %.0f rows/s, %.1f µs CPU a row, %+v, %+v, %v", w.OpsPerSec, w.ClientCPUMicros, w.Latency, w.Coordinators, w.Errors)
	if w.Acknowledged != rows {
		t.Errorf("%+v", w)
	}
	// Some rows that were never written: missing, and not lost.
	cfg.Rows += 5
	s2, err := Read(ctx, d, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := s2.Read
	t.Logf("read: %.0f rows/s, %.1f µs CPU a row, %+v, %+v, %v", r.OpsPerSec, r.ClientCPUMicros, r.Latency, r.Coordinators, r.Errors)
	if r.Found != rows || r.Missing != 5 || *r.MissingAcknowledged != 0 || len(r.Coordinators) != len(e.Addresses) {
		t.Errorf("%+v", r)
	}
}
