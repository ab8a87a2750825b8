package results

import "crossring/stress/record"

// Frame is what the summaries of a write and of a read have in common.
type Frame struct {
	Op         string  `json:"op"` // "write" or "read"
	Datacenter string  `json:"datacenter"`
	Rows       int64   `json:"rows"`       // attempted
	RowsAsked  int64   `json:"rows_asked"` // more than Rows only if interrupted
	Attempts   int64   `json:"attempts"`   // requests, reads of missing rows again included
	Seconds    float64 `json:"seconds"`    // until the last row was attempted for the first time
	OpsPerSec  float64 `json:"ops_per_second"`
	// ClientCPUMicros is user and system time of this process per row, in µs.
	ClientCPUMicros float64          `json:"client_cpu_us_per_op"`
	Consistency     string           `json:"consistency"`
	InFlight        int              `json:"in_flight"`
	Rate            float64          `json:"rate"`         // asked for, per second; 0 is a closed loop
	Latency         Percentiles      `json:"latency_ms"`   // service time of each row's first attempt that reached a coordinator
	Response        *Percentiles     `json:"response_ms"`  // from the intended start; null in a closed loop
	Coordinators    map[string]int64 `json:"coordinators"` // attempts by broadcast address
	// Connections is null where they were not counted.
	Connections *record.Connections `json:"connections"`
	// Overflow counts latencies above ten minutes; the percentiles are without them.
	Overflow    int64 `json:"overflow"`
	Interrupted bool  `json:"interrupted"`
	// Damaged says that the raw results are damaged, and counted up to there.
	Damaged  bool         `json:"damaged"`
	Warnings []string     `json:"warnings"`
	Errors   []ErrorCount `json:"errors"` // by class, most frequent first
}

// WriteSummary is a write phase, folded. Each row counts once:
// Acknowledged + Failed + Unknown = Rows.
type WriteSummary struct {
	Frame
	Acknowledged int64 `json:"acknowledged"`
	Failed       int64 `json:"failed"`  // the server refused
	Unknown      int64 `json:"unknown"` // timed out or connection lost: the row may be there
}

// ReadSummary is a read phase, folded. Each row counts by its final outcome:
// Found + Missing + Wrong + Failed = Rows. Found includes FoundLater.
type ReadSummary struct {
	Frame
	Found              int64 `json:"found"`
	MissingAtFirstRead int64 `json:"missing_at_first_read"`
	// StaleAtFirstRead counts first reads that gave the row of another run: this
	// run's was not there yet. They are read again like missing ones.
	StaleAtFirstRead int64 `json:"stale_at_first_read"`
	FoundLater       int64 `json:"found_later"`
	Missing          int64 `json:"missing"` // never seen by the deadline
	// MissingAcknowledged are the rows that are missing or have another run's bytes
	// at the deadline, and whose write had been acknowledged: as Account.Lost. Null
	// when that can't be known.
	MissingAcknowledged *int64 `json:"missing_acknowledged"`
	Wrong               int64  `json:"wrong"` // bytes differ
	Failed              int64  `json:"failed"`
	Lag                 Lag    `json:"lag_ms"`
	After
}

// Percentiles in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Lag is the time from acknowledgement to first sight, over the rows found later.
type Lag struct {
	Count int64 `json:"count"`
	Percentiles
}

// ErrorCount is how often one class of error came, with one example.
type ErrorCount struct {
	Class   string `json:"class"`
	Count   int64  `json:"count"`
	Example string `json:"example"`
}
