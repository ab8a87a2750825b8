package latency

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// Forecast is what is predicted, and from what.
type Forecast struct {
	Service    []Service   `json:"service"`
	RoundTrips []RoundTrip `json:"round_trips"`
	Cells      []Cell      `json:"cells"`
	// LeftOut is what the release doesn't have, or the keyspace has no replicas for.
	LeftOut []LeftOut `json:"left_out"`
}

// Nothing is a forecast of nothing.
func Nothing() Forecast {
	return Forecast{[]Service{}, []RoundTrip{}, []Cell{}, []LeftOut{}}
}

// Service is how long an operation takes of which nothing leaves the datacenter.
type Service struct {
	Datacenter string      `json:"datacenter"`
	Op         string      `json:"op"` // OpWrite, OpRead, OpLWT, or serial_read; of what is serial for each round trip
	Time       Percentiles `json:"ms"`
	// Source is SourceAsked, or SourceMeasured of this run's own LOCAL_ONE and LOCAL_SERIAL.
	Source string `json:"source"`
}

// The sources of a service time.
const (
	SourceAsked    = "asked"
	SourceMeasured = "measured"
)

// RoundTrip is between two datacenters, in ms; nil where it is not known.
type RoundTrip struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Millis *float64 `json:"ms"`
}

// MaxService bounds a service time in ms.
const MaxService = 10_000

// CheckService says what is wrong with a service time.
func CheckService(p Percentiles) error {
	if !(p.P50 > 0 && p.P50 <= p.P99 && p.P99 <= MaxService) { // NaN is none, so written
		return &Problem{"--service-time", fmt.Sprintf("must be a median, and a 99th percentile that is no less, above 0 and up to %d ms, not %g ms and %g ms", MaxService, p.P50, p.P99)}
	}
	return nil
}

// Forecast predicts cells, all with one service time.
func (d Deployment) Forecast(cells []Cell, out []LeftOut, service Percentiles) Forecast {
	f := Forecast{Service: []Service{}, RoundTrips: d.roundTrips(), Cells: cells, LeftOut: out}
	for _, dc := range d.Datacenters {
		for _, kind := range []string{OpWrite, OpRead, OpLWT, opSerialRead} {
			f.Service = append(f.Service, Service{dc, kind, service, SourceAsked})
		}
	}
	for i, c := range cells {
		cells[i].Predicted = d.Predict(c, Lognormal(service))
	}
	return f
}

func (d Deployment) roundTrips() []RoundTrip {
	list := []RoundTrip{}
	for i, a := range d.Datacenters {
		for _, b := range d.Datacenters[i+1:] {
			trip := RoundTrip{From: a, To: b}
			if ms, ok := d.RTT(a, b); ok {
				trip.Millis = &ms
			}
			list = append(list, trip)
		}
	}
	return list
}

// Samples are times in ms of the cells of a run, by their place in it.
type Samples [][]float64

// kind is what cells share a service time: their operation, and whether it is serial.
func (c Cell) kind() string {
	if c.Op == OpRead && serial(c.Consistency) {
		return opSerialRead
	}
	return c.Op
}

// opSerialRead is a kind of service time.
const opSerialRead = "serial_read"

// Measured puts what was measured into cells, and predicts them from the service times that it
// shows: those of LOCAL_ONE, and of what is serial those of LOCAL_SERIAL, for each of its round
// trips an equal part. What has no such cell is predicted with the service time asked for.
func (d Deployment) Measured(cells []Cell, out []LeftOut, samples Samples, asked Percentiles) Forecast {
	f := Forecast{Service: []Service{}, RoundTrips: d.roundTrips(), Cells: cells, LeftOut: out}
	times := map[[2]string]CDF{}
	for _, dc := range d.Datacenters {
		for _, kind := range []string{OpWrite, OpRead, OpLWT, opSerialRead} {
			s := Service{dc, kind, asked, SourceAsked}
			times[[2]string{dc, kind}] = Lognormal(asked)
			for i, c := range cells {
				if c.Datacenter != dc || c.kind() != kind || c.Consistency != "LOCAL_ONE" && c.Consistency != "LOCAL_SERIAL" || len(samples[i]) == 0 {
					continue
				}
				part := make([]float64, len(samples[i]))
				for k, ms := range samples[i] {
					part[k] = ms / float64(c.RoundTrips)
				}
				times[[2]string{dc, kind}] = Empirical(part)
				s.Time, s.Source = *Of(part), SourceMeasured
			}
			f.Service = append(f.Service, s)
		}
	}
	for i, c := range cells {
		c.Predicted = d.Predict(c, times[[2]string{c.Datacenter, c.kind()}])
		c.Measured, c.N = Of(samples[i]), int64(len(samples[i]))
		if c.Predicted != nil && c.Measured != nil {
			c.Difference = &Percentiles{round(c.Measured.P50 - c.Predicted.P50), round(c.Measured.P99 - c.Predicted.P99)}
		}
		cells[i] = c
	}
	return f
}

// Agreement is how many cells were predicted well: their p50 to 5 % or 3 ms.
type Agreement struct {
	Cells  int `json:"cells"` // predicted and measured
	Within int `json:"within"`
}

// Agree counts.
func Agree(cells []Cell) (a Agreement) {
	for _, c := range cells {
		if c.Difference == nil {
			continue
		}
		a.Cells++
		if off := math.Abs(c.Difference.P50); off <= 3 || off <= 0.05*c.Measured.P50 {
			a.Within++
		}
	}
	return a
}

// Result is the document of a run.
type Result struct {
	Schema  string `json:"schema"`
	Cluster string `json:"cluster"`
	Version string `json:"cassandra_version"`
	// Samples were asked for of each cell, InFlight at once.
	Samples     int     `json:"samples"`
	InFlight    int     `json:"in_flight"`
	Seconds     float64 `json:"seconds"`
	Interrupted bool    `json:"interrupted"`
	Forecast
	Agreement Agreement `json:"agreement"`
	Traces    []Trace   `json:"traces"`
	Errors    []string  `json:"errors"` // one of each kind
	// Faults of the network were in force meanwhile; nil where that can't be known.
	Faults []topology.NetworkFault `json:"network_faults"`
}

// Trace is one operation as the servers traced it.
type Trace struct {
	Datacenter  string   `json:"datacenter"`
	Op          string   `json:"op"`
	Consistency string   `json:"consistency"`
	Coordinator string   `json:"coordinator"` // its address
	Millis      *float64 `json:"ms"`          // by the coordinator's clock; nil where the servers said none
	// Answers reached the coordinator, in their order, those after its own answer included.
	Answers []Answer `json:"answers"`
}

// Answer is one of a replica: of the coordinator itself its own work.
type Answer struct {
	Address    string `json:"address"`
	Datacenter string `json:"datacenter"` // "" where it is not known
	// Millis is since the request came, by the coordinator's clock; nil of an answer that came
	// when the client had its own, whose time the servers don't keep.
	Millis *float64 `json:"ms"`
}

// Text writes a forecast for people.
func (f Forecast) Text(out io.Writer) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "COORDINATOR IN\tOPERATION\tCONSISTENCY\tROUND TRIPS\tP50\tP99")
	for _, c := range f.Cells {
		p50, p99 := of(c.Predicted)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", c.Datacenter, c.Op, c.Consistency, c.RoundTrips, p50, p99)
	}
	fmt.Fprintln(tw, "\nms, predicted")
	f.from(tw)
	return tw.Flush()
}

func of(p *Percentiles) (p50, p99 string) {
	if p == nil {
		return "-", "-"
	}
	return number(p.P50), number(p.P99)
}

func number(ms float64) string {
	if math.Abs(ms) >= 100 {
		return fmt.Sprintf("%.0f", ms)
	}
	return fmt.Sprintf("%.1f", ms)
}

// from says what was predicted from, and what was left out.
func (f Forecast) from(out io.Writer) {
	var trips []string
	for _, t := range f.RoundTrips {
		ms := "not known"
		if t.Millis != nil {
			ms = number(*t.Millis) + " ms"
		}
		trips = append(trips, fmt.Sprintf("%s to %s %s", t.From, t.To, ms))
	}
	if len(trips) > 0 {
		fmt.Fprintf(out, "round trips: %s\n", strings.Join(trips, ", "))
	}
	var said string
	for _, s := range f.Service {
		where := ""
		if s.Source == SourceMeasured {
			where = fmt.Sprintf(" of %s in %s, as measured", s.Op, s.Datacenter)
		}
		if line := fmt.Sprintf("service time%s: %s ms (p50), %s ms (p99)\n", where, number(s.Time.P50), number(s.Time.P99)); line != said {
			fmt.Fprint(out, line)
			said = line
		}
	}
	for _, l := range f.LeftOut {
		where := ""
		if l.Datacenter != "" {
			where = " in " + l.Datacenter
		}
		fmt.Fprintf(out, "left out%s: %s at %s: %s\n", where, l.Op, l.Consistency, l.Why)
	}
}

// Text writes the result for people.
func (r Result) Text(out io.Writer) error {
	if len(r.Cells) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "Cluster %s, Cassandra %s\n\n", r.Cluster, r.Version)
	if r.Interrupted {
		fmt.Fprintf(tw, "Stopped before its end: what follows is what was measured until then.\n\n")
	}
	fmt.Fprintln(tw, "COORDINATOR IN\tOPERATION\tCONSISTENCY\tROUND TRIPS\tPREDICTED P50\tP99\tMEASURED P50\tP99\tDIFFERENCE P50\tP99\tN\tFAILED")
	for _, c := range r.Cells {
		p50, p99 := of(c.Predicted)
		m50, m99 := of(c.Measured)
		d50, d99 := of(c.Difference)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", c.Datacenter, c.Op, c.Consistency, c.RoundTrips, p50, p99, m50, m99, d50, d99, c.N, c.Failed)
	}
	fmt.Fprintln(tw, "\nms; the difference is measured less predicted")
	r.from(tw)
	if r.Agreement.Cells > 0 {
		fmt.Fprintf(tw, "the median of %d of %s was predicted to 5 %% or 3 ms\n", r.Agreement.Within, plain.Count(r.Agreement.Cells, "cell"))
	}
	for _, e := range r.Errors {
		fmt.Fprintf(tw, "error: %s\n", e)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(tw, "Fault of the network: %s\n", f)
	}
	if len(r.Traces) > 0 {
		fmt.Fprintln(tw, "\nTRACED IN\tOPERATION\tCONSISTENCY\tCOORDINATOR\tTOOK\tANSWERS (MS)")
	}
	for _, t := range r.Traces {
		took := "-"
		if t.Millis != nil {
			took = number(*t.Millis)
		}
		var answers []string
		for _, a := range t.Answers {
			ms := "later"
			if a.Millis != nil {
				ms = number(*a.Millis)
			}
			answers = append(answers, fmt.Sprintf("%s in %s %s", a.Address, a.Datacenter, ms))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Datacenter, t.Op, t.Consistency, t.Coordinator, took, strings.Join(answers, ", "))
	}
	return tw.Flush()
}
