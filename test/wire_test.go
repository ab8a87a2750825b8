package test

import (
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crossring/internal/health"
	"crossring/internal/meanwhile"
	"crossring/internal/topology"
)

// checkWire holds that rows written in the first region have crossed to the other one, each
// once and hardly more, and that this has its price.
func checkWire(t *testing.T, wire []topology.Wire, inv topology.Inventory, rows int64) {
	t.Helper()
	if len(wire) != 2 || wire[0].From != east || wire[0].To != west || wire[1].From != west || wire[1].To != east {
		t.Fatalf("want both directions: %+v", wire)
	}
	there, size := wire[0], rows*int64(inv.Plan.Stress.ValueBytes)
	if there.Bytes < size || there.Bytes > 2*size || wire[1].Bytes > there.Bytes/2 {
		t.Errorf("%d bytes of rows, and counted %+v", size, wire)
	}
	for _, w := range wire {
		if w.BytesPerRow == nil || *w.BytesPerRow != float64(w.Bytes)/float64(rows) || w.USD == nil || math.Abs(*w.USD-0.02*float64(w.Bytes)/1e9) > 1e-12 {
			t.Errorf("%d rows: %+v", rows, w)
		}
	}
	if least := inv.Plan.Wire; len(least) != 1 || least[0].From != east || least[0].To != west || *least[0].BytesPerRow > *there.BytesPerRow {
		t.Errorf("planned at least %+v, counted %+v", least, there)
	}
}

// checkRoughLine makes a line rough by every kind of fault that takes an amount, and heals it.
func checkRoughLine(t *testing.T, c cluster, holds func(table string, code int, args ...string) result) {
	t.Helper()
	c.want(t, 2, "fault", "jitter", c.name, east, west, "--jitter", "1h")
	c.want(t, 2, "fault", "loss", c.name, east, west, "--loss-percent", "100")
	c.want(t, 2, "fault", "bandwidth", c.name, east, west, "--mbit", "0")
	holds("fault", 2, "fault", "jitter", c.name, east, west, "--jitter", "2s") // longer than the delay
	holds("fault", 0, "fault", "jitter", c.name, east, west, "--jitter", "3ms", "--one-way")
	holds("fault", 0, "fault", "loss", c.name, east, west, "--loss-percent", "0.01")
	holds("fault", 0, "fault", "bandwidth", c.name, west, east, "--mbit", "900", "--one-way")
	rough := decode[health.Network](t, holds("fault", 0, "fault", "asymmetry", c.name, east, west, "--share-percent", "75"))
	if ways := rough.Lines[0].Ways; len(ways) != 2 || len(rough.Faults) != 4 ||
		ways[0].Way != (topology.Way{DelayMillis: 0.75 * rough.Lines[0].RTTMillis, JitterMillis: 3, LossPercent: 0.01}) ||
		ways[1].Way != (topology.Way{DelayMillis: 0.25 * rough.Lines[0].RTTMillis, LossPercent: 0.01, Mbit: 900}) {
		t.Errorf("a rough line: %+v", rough)
	}
	healed := decode[health.Network](t, holds("fault", 0, "fault", "heal", c.name, east, west))
	if ways := healed.Lines[0].Ways; len(healed.Faults) != 0 || !ways[0].Plain(healed.Lines[0].RTTMillis) || !ways[1].Plain(healed.Lines[0].RTTMillis) {
		t.Errorf("healed: %+v", healed)
	}
}

// checkServers holds that each server has told what every release tells.
func checkServers(t *testing.T, servers []meanwhile.Server, inv topology.Inventory) {
	t.Helper()
	if len(servers) != len(inv.Nodes) {
		t.Fatalf("%d servers of %d nodes", len(servers), len(inv.Nodes))
	}
	wrote := false
	for i, s := range servers {
		if s.Name != inv.Nodes[i].Name || s.Datacenter != inv.Nodes[i].Datacenter || s.StepSeconds != 1 || s.Missing != "" || len(s.Seconds) == 0 {
			t.Errorf("%+v", s)
		}
		busy := false
		for j, p := range s.Seconds {
			if p.CPU == nil || p.GCMillis == nil || p.HeapBytes == nil || *p.HeapBytes <= 0 || p.Compactions == nil || p.HintsStored == nil || p.Dropped == nil || p.PendingReads == nil || p.PendingWrites == nil {
				t.Errorf("%s does not tell all at %d: %+v", s.Name, p.T, p)
				continue
			}
			if j > 0 && p.T <= s.Seconds[j-1].T {
				t.Errorf("%s: second %d after %d", s.Name, p.T, s.Seconds[j-1].T)
			}
			busy = busy || *p.CPU > 0
			wrote = wrote || s.Datacenter == inv.Plan.Stress.WriteDC && p.CoordinatorWrite != nil && *p.CoordinatorWrite > 0
		}
		if !busy {
			t.Errorf("%s took no processor: %+v", s.Name, s.Seconds)
		}
	}
	if !wrote {
		t.Errorf("no server coordinated a write: %+v", servers)
	}
}

var (
	metricsURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`)
	rowsSaid   = regexp.MustCompile(`(?m)^crossring_load_rows_total\{[^}]*\} [1-9]`)
	cpuSaid    = regexp.MustCompile(`(?m)^crossring_server_cpu_seconds_total\{[^}]*\} [0-9]`)
)

// checkMetrics scrapes what a load serves while it runs, until rows and both servers are in it.
func checkMetrics(t *testing.T, s *started) {
	t.Helper()
	url := metricsURL.FindString(s.stderr.String())
	if url == "" {
		t.Fatalf("it does not say where its metrics are: %s", s.result())
	}
	eventually(t, patience, "the metrics have rows and both servers", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		return strings.HasSuffix(text, "# EOF\n") && rowsSaid.MatchString(text) && len(cpuSaid.FindAllString(text, -1)) == 2 && strings.Contains(text, "crossring_wire_bytes_total{")
	})
}
