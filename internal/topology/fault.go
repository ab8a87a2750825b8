package topology

import (
	"fmt"
	"time"
)

// Kinds of NetworkFault.
const (
	FaultPartition = "partition" // between A and B nothing is answered
	FaultReset     = "reset"     // between A and B connections are reset
	FaultLatency   = "latency"   // between A and B the round trip is not the plan's
	FaultRefuse    = "refuse"    // the public ports of A are closed
	FaultJitter    = "jitter"    // between A and B the delay is now more, now less
	FaultLoss      = "loss"      // between A and B segments are lost, and sent again
	FaultBandwidth = "bandwidth" // between A and B so much passes, and no more
	FaultAsymmetry = "asymmetry" // from A to B takes another share of the round trip than back
	FaultKill      = "kill"      // the server of node A was killed
	FaultPause     = "pause"     // the server of node A stands still

	// ResumeNode ends FaultPause.
	ResumeNode = "resume"
	startNode  = "start" // a command of its own

	// HealLines ends what is between two regions.
	HealLines  = "heal"
	acceptPort = "accept"
)

// FaultKind is a change that the network between regions can be told to make.
type FaultKind struct {
	Name string
	Does string       // a line of help
	Pair bool         // it is between two regions; else it is about one region, or one node
	Node bool         // it is about the server of a node
	RTT  bool         // it takes a round trip
	Ends []string     // the kinds of faults that it ends, of the same regions
	Mend string       // the kind that ends it; "" is no fault, but the end of one
	Cuts bool         // while it is in force nothing passes
	Take *FaultAmount // what it takes beside; nil is nothing
}

// FaultAmount is how much of a fault there is to be.
type FaultAmount struct {
	Flag   string // of the command line
	Usage  string
	Sample string                  // of the flag's value
	Unit   string                  // ms, %, Mbit/s
	Ways   bool                    // it may be for one direction alone
	Check  func(v float64) string  // what is wrong with it, but for what the line is; "" is nothing
	Of     func(w Way) float64     // how much of it a direction has
	Change func(w *Way, v float64) // gives a direction that much; nil for what is of both
}

// FaultKinds are all of them, in the order of the help.
func FaultKinds() []FaultKind {
	cut := []string{FaultPartition, FaultReset}
	ends := append(cut, FaultJitter, FaultLoss, FaultBandwidth, FaultAsymmetry)
	return []FaultKind{
		{Name: FaultPartition, Does: "cut two regions from each other by silence: what is sent is swallowed, new connections are not answered", Pair: true, Ends: cut, Mend: HealLines, Cuts: true},
		{Name: FaultReset, Does: "answer every connection between two regions with RST", Pair: true, Ends: cut, Mend: HealLines, Cuts: true},
		{Name: HealLines, Does: "end all faults between two regions but another round trip", Pair: true, Ends: ends},
		{Name: FaultRefuse, Does: "close a region's public ports", Ends: []string{FaultRefuse}, Mend: acceptPort, Cuts: true},
		{Name: acceptPort, Does: "open a region's public ports again", Ends: []string{FaultRefuse}},
		// The round trip of the plan is what ends it.
		{Name: FaultLatency, Does: "set the round trip between two regions", Pair: true, RTT: true, Ends: []string{FaultLatency}, Mend: FaultLatency},
		{Name: FaultJitter, Does: "make the delay between two regions vary", Pair: true, Ends: []string{FaultJitter}, Mend: HealLines, Take: &FaultAmount{
			Flag: "jitter", Usage: "the delay is up to that `TIME` less or more, as in 5ms", Unit: "ms", Sample: "10ms", Ways: true,
			Check: func(v float64) string { return CheckJitter(v, MostJitterMillis) },
			Of:    func(w Way) float64 { return w.JitterMillis }, Change: func(w *Way, v float64) { w.JitterMillis = v },
		}},
		{Name: FaultLoss, Does: "lose segments between two regions: TCP sends them again, and all behind them waits", Pair: true, Ends: []string{FaultLoss}, Mend: HealLines, Take: &FaultAmount{
			Flag: "loss-percent", Usage: "`SHARE` of the segments that is lost, in percent, below 100", Unit: "%", Sample: "1", Ways: true,
			Check: CheckLoss, Of: func(w Way) float64 { return w.LossPercent }, Change: func(w *Way, v float64) { w.LossPercent = v },
		}},
		{Name: FaultBandwidth, Does: "limit what passes between two regions", Pair: true, Ends: []string{FaultBandwidth}, Mend: HealLines, Take: &FaultAmount{
			Flag: "mbit", Usage: "`RATE` of each direction, in millions of bits a second", Unit: "Mbit/s", Sample: "100", Ways: true,
			Check: CheckMbit, Of: func(w Way) float64 { return w.Mbit }, Change: func(w *Way, v float64) { w.Mbit = v },
		}},
		{Name: FaultAsymmetry, Does: "have the way from the first region to the second take another share of the round trip than the way back", Pair: true, Ends: []string{FaultAsymmetry}, Mend: HealLines, Take: &FaultAmount{
			Flag: "share-percent", Usage: "`SHARE` of the round trip that the way from the first region to the second takes, in percent", Unit: "%", Sample: "70",
			Check: CheckShare,
		}},
	}
}

// NodeFaultKinds are what can be done to the server of a node, in the order of the help.
func NodeFaultKinds() []FaultKind {
	return []FaultKind{
		{Name: FaultKill, Does: "kill a node's server, as a crash does", Node: true, Ends: []string{FaultKill}, Mend: startNode, Cuts: true},
		{Name: FaultPause, Does: "make a node's server stand still: its ports are open, and nothing is answered", Node: true, Ends: []string{FaultPause}, Mend: ResumeNode, Cuts: true},
		{Name: ResumeNode, Does: "have a node's server go on that was paused", Node: true, Ends: []string{FaultPause}},
	}
}

// FaultKindOf finds a kind by its name.
func FaultKindOf(name string) (FaultKind, bool) {
	for _, k := range append(FaultKinds(), NodeFaultKinds()...) {
		if k.Name == name {
			return k, true
		}
	}
	return FaultKind{}, false
}

// NetworkFault is a change of the network between regions, or of a node's server, from when it
// was made to when it was ended.
type NetworkFault struct {
	Kind      string   `json:"kind"`
	A         string   `json:"a"`      // region; the node of kill and pause
	B         string   `json:"b"`      // region; "" for refuse, kill and pause
	RTTMillis *float64 `json:"rtt_ms"` // of latency; null for others
	// Amount is how much of it there is, in Unit; nil of kinds that take none.
	Amount *float64 `json:"amount"`
	Unit   string   `json:"unit,omitempty"`
	// OneWay: it is in the direction from A to B alone.
	OneWay bool       `json:"one_way,omitempty"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until"` // null while it is in force
}

// String names a fault without its times: "partition us-east-1 - us-west-2".
func (f NetworkFault) String() string {
	s := f.Kind + " " + f.A
	switch {
	case f.OneWay || f.Kind == FaultAsymmetry:
		s += " -> " + f.B
	case f.B != "":
		s += " - " + f.B
	}
	if f.RTTMillis != nil {
		s += fmt.Sprintf(" %g ms", *f.RTTMillis)
	}
	if f.Amount != nil {
		s += fmt.Sprintf(" %g %s", *f.Amount, f.Unit)
	}
	return s
}

// Undo are the words of the command that ends a fault of a cluster. planned is the round
// trip of its plan, in milliseconds.
func (f NetworkFault) Undo(cluster string, planned float64) []string {
	kind, _ := FaultKindOf(f.Kind)
	switch {
	case kind.Mend == startNode:
		return []string{startNode, cluster + ":" + f.A}
	case kind.Node:
		return []string{"fault", kind.Mend, cluster + ":" + f.A}
	}
	words := []string{"fault", kind.Mend, cluster, f.A}
	if kind.Pair {
		words = append(words, f.B)
	}
	if kind.RTT {
		words = append(words, "--rtt", fmt.Sprintf("%gms", planned))
	}
	return words
}

// During says whether a fault was in force at some time between from and to.
func (f NetworkFault) During(from, to time.Time) bool {
	return f.Since.Before(to) && (f.Until == nil || f.Until.After(from))
}
