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
	// Bytes have been delivered between regions, by topology.WayKey, since this keeper began;
	// null of one of an older crossring.
	Bytes map[string]int64 `json:"bytes"`
}

// Fault is a change of the network.
type Fault = wan.Change

// RefusedError says that a node is not in a state in which what was asked can be done.
type RefusedError struct{ Node, Problem string }

func (e *RefusedError) Error() string { return e.Node + " " + e.Problem }

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
	nodeFaultRequest struct {
		Kind string `json:"kind"` // of topology.NodeFaultKinds
		Node string `json:"node"`
	}
	reply struct {
		Error   string `json:"error,omitempty"`
		Refused bool   `json:"refused,omitempty"` // it is what was asked for that is wrong
	}
)
