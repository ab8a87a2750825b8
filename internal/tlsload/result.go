package tlsload

import (
	"maps"
	"slices"

	"crossring/stress/results"
)

// Part is what requests of one policy cost, in one round or in all of them.
type Part struct {
	Requests          int64    `json:"requests"` // those that failed included
	Failed            int64    `json:"failed"`
	Sessions          int64    `json:"sessions"`
	Flows             int64    `json:"flows"` // TCP connections that stood
	FullHandshakes    int64    `json:"full_handshakes"`
	ResumedHandshakes int64    `json:"resumed_handshakes"`
	ClientCPUSeconds  float64  `json:"client_cpu_seconds"` // this process's, user and system
	ServerCPUSeconds  *float64 `json:"server_cpu_seconds"` // null where it can't be known
	Seconds           float64  `json:"seconds"`
	LateStarts        int64    `json:"late_starts"` // began more than 2 ms after they were due
}

// Result is what a policy came to, over all rounds.
type Result struct {
	Policy string `json:"policy"`
	Part
	RequestsPerSecond float64              `json:"requests_per_second"` // that were answered
	LatencyMS         results.Percentiles  `json:"latency_ms"`          // from a request's own start, its connection included
	ResponseMS        *results.Percentiles `json:"response_ms"`         // from when it was due; null without a rate
	Statuses          map[string]int64     `json:"statuses"`            // answers by their status
	Ratio             *Ratios              `json:"ratio"`               // null where nothing was measured, or of the base
	Rounds            []Part               `json:"rounds"`
	// ServerCPUMissing says why the server's processor time is not known; "" where it is.
	ServerCPUMissing string `json:"server_cpu_missing"`
}

// Ratios are to the base, for one request: as many times as many flows, as much time.
type Ratios struct {
	Base      string `json:"base"` // the policy
	Flows     *Ratio `json:"flows"`
	ClientCPU *Ratio `json:"client_cpu"`
	ServerCPU *Ratio `json:"server_cpu"` // null where it can't be known, here and above
	Seconds   *Ratio `json:"seconds"`
}

// Ratio is over rounds, in each of which both were measured.
type Ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// base is the policy that the others are held against: shared, or else the first.
func base(policies []Policy) int {
	return max(0, slices.IndexFunc(policies, func(p Policy) bool { return p.Shared() }))
}

func fold(l Load, rounds [][]Part, times []times, missing string) []Result {
	all := make([]Result, len(l.Policies))
	b := base(l.Policies)
	for i, p := range l.Policies {
		r := Result{Policy: p.String(), Statuses: maps.Clone(times[i].statuses), Rounds: append([]Part{}, rounds[i]...), ServerCPUMissing: missing,
			LatencyMS: results.PercentilesOf(times[i].latency), Part: sum(rounds[i])}
		if l.Rate > 0 {
			response := results.PercentilesOf(times[i].response)
			r.ResponseMS = &response
		}
		if r.Seconds > 0 {
			r.RequestsPerSecond = float64(r.Requests-r.Failed) / r.Seconds
		}
		if missing == "" && r.ServerCPUSeconds == nil && r.Requests > 0 {
			r.ServerCPUMissing = "a process of the server ended meanwhile"
		}
		if i != b {
			r.Ratio = ratios(rounds[i], rounds[b])
			if r.Ratio != nil {
				r.Ratio.Base = l.Policies[b].String()
			}
		}
		all[i] = r
	}
	return all
}

// sum adds parts up. The server's time is known where it is of all of them.
func sum(parts []Part) Part {
	var s Part
	server := 0.0
	known := len(parts) > 0
	for _, p := range parts {
		s.Requests, s.Failed, s.Sessions, s.Flows = s.Requests+p.Requests, s.Failed+p.Failed, s.Sessions+p.Sessions, s.Flows+p.Flows
		s.FullHandshakes, s.ResumedHandshakes, s.LateStarts = s.FullHandshakes+p.FullHandshakes, s.ResumedHandshakes+p.ResumedHandshakes, s.LateStarts+p.LateStarts
		s.ClientCPUSeconds, s.Seconds = s.ClientCPUSeconds+p.ClientCPUSeconds, s.Seconds+p.Seconds
		if known = known && p.ServerCPUSeconds != nil; known {
			server += *p.ServerCPUSeconds
		}
	}
	if known {
		s.ServerCPUSeconds = &server
	}
	return s
}

// ratios holds rounds of a policy against those of the base; nil where there are none of
// either.
func ratios(parts, base []Part) *Ratios {
	n := min(len(parts), len(base))
	if n == 0 {
		return nil
	}
	of := func(value func(Part) (float64, bool)) *Ratio {
		var all []float64
		for i := range n {
			over, ok := value(parts[i])
			under, okBase := value(base[i])
			if !ok || !okBase || under <= 0 || parts[i].Requests == 0 || base[i].Requests == 0 {
				return nil
			}
			all = append(all, over/float64(parts[i].Requests)/(under/float64(base[i].Requests)))
		}
		slices.Sort(all)
		return &Ratio{Median: (all[(n-1)/2] + all[n/2]) / 2, Low: all[0], High: all[n-1]}
	}
	return &Ratios{
		Flows:     of(func(p Part) (float64, bool) { return float64(p.Flows), true }),
		ClientCPU: of(func(p Part) (float64, bool) { return p.ClientCPUSeconds, true }),
		ServerCPU: of(func(p Part) (float64, bool) {
			if p.ServerCPUSeconds == nil {
				return 0, false
			}
			return *p.ServerCPUSeconds, true
		}),
		Seconds: of(func(p Part) (float64, bool) { return p.Seconds, true }),
	}
}
