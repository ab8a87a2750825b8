package lag

import (
	"time"

	"crossring/internal/meanwhile"
	"crossring/internal/topology"
)

// Result is the document of a run.
type Result struct {
	Schema           string `json:"schema"`
	Cluster          string `json:"cluster"`
	Version          string `json:"cassandra_version"`
	WriteConsistency string `json:"write_consistency"`
	ReadConsistency  string `json:"read_consistency"`
	// Clock is "one" where all times are of the computer that wrote and looked.
	Clock string `json:"clock"`
	// RateAsked is in rows a second and datacenter; Rate is the least that one had.
	RateAsked float64 `json:"rate_asked"`
	Rate      float64 `json:"rate"`
	Seconds   float64 `json:"seconds"` // of writing
	// DeadlineSeconds is how long a row was looked for.
	DeadlineSeconds float64 `json:"deadline_seconds"`
	Interrupted     bool    `json:"interrupted"`
	// ClientCPU is what writing and looking took, in cores; nil where that can't be told.
	ClientCPU *float64 `json:"client_cpu"`
	Writes    []Writes `json:"writes"`
	Pairs     []Pair   `json:"pairs"`
	// Background ran meanwhile; nil where none did.
	Background *Background `json:"background"`
	// Crossring is the version of the program, Command what was typed, and Host the computer
	// that it ran on; RunDir keeps this document. Started is when the command began, Began when
	// the first row was due.
	Crossring string             `json:"crossring"`
	Command   string             `json:"command"`
	Host      *topology.Computer `json:"host"`
	RunDir    string             `json:"run_dir"`
	Started   *time.Time         `json:"started"`
	Began     *time.Time         `json:"began"`
	// Faults of the network were in force meanwhile; nil where that can't be known.
	Faults []topology.NetworkFault `json:"network_faults"`
	meanwhile.Record
}

// ClockOne is the Clock of a run by one computer's, ClockEcho that of one by several, which
// are bounded by echoes.
const (
	ClockOne  = "one"
	ClockEcho = "echo"
)

// Writes are of one datacenter: Rows is the sum of the next three.
type Writes struct {
	Datacenter   string `json:"datacenter"`
	Rows         int64  `json:"rows"`
	Acknowledged int64  `json:"acknowledged"`
	Failed       int64  `json:"failed"`
	Unknown      int64  `json:"unknown"`
	// Late were sent more than 10 ms after they were due.
	Late int64 `json:"late"`
}

// Background is a load that ran beside a measurement, as a document has it.
type Background struct {
	// RateAsked and Rate are operations a second in each datacenter; Rate is the least that
	// one had.
	RateAsked   float64          `json:"rate_asked"`
	Rate        float64          `json:"rate"`
	Reads       int64            `json:"reads"`
	Writes      int64            `json:"writes"`
	Failed      int64            `json:"failed"` // of both
	Datacenters []BackgroundPart `json:"datacenters"`
}

// BackgroundPart is that of one datacenter.
type BackgroundPart struct {
	Name   string  `json:"name"`
	Rate   float64 `json:"rate"`
	Reads  int64   `json:"reads"`
	Writes int64   `json:"writes"`
	Failed int64   `json:"failed"`
}
