package topology

// Computer is what a run was made on, and how busy that was with other things before.
type Computer struct {
	Name string `json:"name"` // as it calls itself
	OS   string `json:"os"`   // Go's name
	Arch string `json:"arch"` // Go's name
	CPUs int    `json:"cpus"` // that this program may use
	// MemoryBytes is all that it has; nil where it does not tell.
	MemoryBytes *int64   `json:"memory_bytes"`
	Load        Busyness `json:"load"`
}

// Busyness is how busy a computer is.
type Busyness struct {
	// Busy is the share of all processors, 0 to 1, that was taken during a moment before the
	// run; nil where that can't be told.
	Busy *float64 `json:"busy"`
	// Stolen is the share of Busy that other machines of the same host took; nil where that
	// can't be told.
	Stolen *float64 `json:"stolen"`
	// Average is the load average of the minute before; nil where there is none.
	Average *float64 `json:"average"`
}

// busyShare is from where on a computer counts as busy. A cluster that nobody asks takes a
// few percent of it.
const busyShare = 0.25

// IsBusy says that other things took so much of the processors that figures of a run scatter.
func (l Busyness) IsBusy() bool { return l.Busy != nil && *l.Busy > busyShare }
