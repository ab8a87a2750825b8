// Package scrape serves what a load and the servers do while it runs, as OpenMetrics.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"crossring/internal/meanwhile"
)

// Path is where the metrics are.
const Path = "/metrics"

// Sample is what there is to say at one moment.
type Sample struct {
	Loads   []Load
	Servers []Server
	Bytes   map[[2]string]int64 // delivered, by region and region
}

// Load is a write, a read or a measurement of lag in a datacenter.
type Load struct {
	Op, Datacenter string
	Done, Rows     int64 // rows attempted, and asked for
	Missing, Bad   int64 // rows that are asked for again; attempts that failed, are unknown or were wrong
}

// Server is what a node's server has counted.
type Server struct {
	Node, Datacenter string
	Values           [meanwhile.Kinds]float64
}

// Address is where to listen: a port, or an address with one. Without an address it is
// this computer's loopback; open says that others can reach it.
func Address(s string) (addr string, open bool, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = "", s
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", false, fmt.Errorf("%q is not an IP address", host)
	}
	p, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return "", false, fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	return p.String(), !ip.Unmap().IsLoopback(), nil
}

// Endpoint serves until it is closed.
type Endpoint struct {
	URL    string
	server *http.Server
	done   chan error
}

// Serve listens at an address, and asks for a sample at each request.
func Serve(addr string, now func(ctx context.Context) Sample) (*Endpoint, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) {
		reg := prometheus.NewRegistry()
		if err := reg.Register(collector{now(r.Context())}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
	})
	e := &Endpoint{
		URL:    "http://" + l.Addr().String() + Path,
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan error, 1),
	}
	go func() { e.done <- e.server.Serve(l) }()
	return e, nil
}

// Close ends it, and lets answers that are under way end.
func (e *Endpoint) Close() error {
	const patience = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if served := <-e.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// collector gives one sample to a registry.
type collector struct{ sample Sample }

// Describe is that of an unchecked collector: what there is depends on the moment.
func (collector) Describe(chan<- *prometheus.Desc) {}

// serverMetrics are those of servers, by kind of a meanwhile.Reading, with the unit of it in
// that of the metric.
var serverMetrics = []struct {
	kind       int
	name, help string
	unit       float64
	value      prometheus.ValueType
}{
	{meanwhile.CPU, "cpu_seconds", "Processor time of the server's process.", 1, prometheus.CounterValue},
	{meanwhile.GC, "gc_seconds", "Time of its garbage collectors.", 1e-3, prometheus.CounterValue},
	{meanwhile.Heap, "heap_bytes", "Heap in use.", 1, prometheus.GaugeValue},
	{meanwhile.Compactions, "pending_compactions", "Compactions that are pending.", 1, prometheus.GaugeValue},
	{meanwhile.HintsStored, "hints_stored", "Hints stored.", 1, prometheus.CounterValue},
	{meanwhile.HintsDelivered, "hints_delivered", "Hints delivered.", 1, prometheus.CounterValue},
	{meanwhile.Dropped, "dropped_mutations", "Mutations dropped.", 1, prometheus.CounterValue},
	{meanwhile.Reads, "coordinator_reads", "Reads coordinated.", 1, prometheus.CounterValue},
	{meanwhile.ReadMicros, "coordinator_read_seconds", "Time that these took.", 1e-6, prometheus.CounterValue},
	{meanwhile.Writes, "coordinator_writes", "Writes coordinated.", 1, prometheus.CounterValue},
	{meanwhile.WriteMicros, "coordinator_write_seconds", "Time that these took.", 1e-6, prometheus.CounterValue},
	{meanwhile.PendingReads, "pending_reads", "Reads in the queue of their stage.", 1, prometheus.GaugeValue},
	{meanwhile.PendingWrites, "pending_writes", "Mutations in the queue of their stage.", 1, prometheus.GaugeValue},
}

// Collect is that of prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	send := func(name, help string, kind prometheus.ValueType, v float64, labels []string, values ...string) {
		if math.IsNaN(v) {
			return // not told is not 0
		}
		if kind == prometheus.CounterValue {
			name += "_total"
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("crossring_"+name, help, labels, nil), kind, v, values...)
	}
	for _, l := range c.sample.Loads {
		labels := []string{"op", "datacenter"}
		send("load_rows", "Rows attempted.", prometheus.CounterValue, float64(l.Done), labels, l.Op, l.Datacenter)
		send("load_rows_asked", "Rows asked for.", prometheus.GaugeValue, float64(l.Rows), labels, l.Op, l.Datacenter)
		send("load_rows_missing", "Rows that are not there yet, and are asked for again.", prometheus.GaugeValue, float64(l.Missing), labels, l.Op, l.Datacenter)
		send("load_bad", "Attempts that failed, are of unknown outcome, or gave other bytes.", prometheus.CounterValue, float64(l.Bad), labels, l.Op, l.Datacenter)
	}
	for _, s := range c.sample.Servers {
		for _, m := range serverMetrics {
			send("server_"+m.name, m.help, m.value, s.Values[m.kind]*m.unit, []string{"node", "datacenter"}, s.Node, s.Datacenter)
		}
	}
	for pair, n := range c.sample.Bytes {
		send("wire_bytes", "Bytes delivered from region to region, since the keeper began.", prometheus.CounterValue, float64(n), []string{"from", "to"}, pair[0], pair[1])
	}
}
