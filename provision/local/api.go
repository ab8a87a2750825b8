package local

import (
	"time"

	"crossring/internal/topology"
	"crossring/provision/local/wan"
)

// Status is what a keeper knows of its cluster.
type Status struct {
	PID     int                         `json:"pid"`
	Nodes   map[string]topology.Process `json:"nodes"` // by name
	Lines   []wan.Line                  `json:"lines"`
	Refused []string                    `json:"refused"` // regions whose public ports are closed
	RTT     map[string]float64          `json:"rtt_ms"`  // measured, "a -> b"
	Faults  []topology.NetworkFault     `json:"faults"`  // in force; null of a keeper of an older crossring
}

// Fault is a change of the network. A and B are regions.
type Fault struct {
	Kind string        `json:"kind"` // name of a topology.FaultKind
	A    string        `json:"a"`
	B    string        `json:"b"`
	RTT  time.Duration `json:"rtt"`
}

// requests to the keeper.
type (
	startRequest struct {
		Node   string   `json:"node"`
		Argv   []string `json:"argv"`
		Env    []string `json:"env"`
		Dir    string   `json:"dir"`
		Output string   `json:"output"` // file that takes stdout and stderr
	}
	stopRequest struct {
		Node  string        `json:"node"`
		Grace time.Duration `json:"grace"`
	}
	reply struct {
		Error string `json:"error,omitempty"`
	}
)
