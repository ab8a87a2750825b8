package topology

import (
	"encoding/json"
	"fmt"
	"time"
)

// Process is the server process of a node, as its host knows it.
type Process struct {
	Node    string    `json:"node"`
	Running bool      `json:"running"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"` // start, or end when it is not running
	// Ended says how it ended, "" if it never ran or nobody saw: "exit status 3",
	// "signal: killed".
	Ended string `json:"ended"`
	// Paused says that it runs, and stands still: FaultPause.
	Paused bool `json:"paused,omitempty"`
}

// MarshalJSON has null for a time that is not known.
func (p Process) MarshalJSON() ([]byte, error) {
	type plain Process
	doc := struct {
		plain
		Since *time.Time `json:"since"`
	}{plain: plain(p)}
	if !p.Since.IsZero() {
		doc.Since = &p.Since
	}
	return json.Marshal(doc)
}

func (p Process) String() string {
	switch {
	case p.Paused:
		return fmt.Sprintf("paused, pid %d", p.PID)
	case p.Running:
		return fmt.Sprintf("running, pid %d", p.PID)
	case p.Ended != "":
		return "ended: " + p.Ended
	default:
		return "not running"
	}
}
