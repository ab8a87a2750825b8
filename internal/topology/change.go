package topology

// Change is how a running cluster becomes the one that its plan describes.
type Change struct {
	// Nodes are those of before and after, in the plan's order, those that go last.
	Nodes []NodeChange `json:"nodes"`
	// Steps are done one after another, each when the one before has ended.
	Steps []Step `json:"steps"`
	// Nodes that a person named; the rest follows from the numbers in the spec.
	Remove  []string `json:"remove"`
	Replace []string `json:"replace"`
	// PerHourBeforeUSD is what the cluster cost by the hour before; nil where nothing is
	// paid for.
	PerHourBeforeUSD *float64 `json:"per_hour_before_usd"`
}

// What a change means to a node.
const (
	NodeKept     = "kept"
	NodeAdded    = "added"
	NodeRemoved  = "removed"
	NodeReplaced = "replaced" // by an empty one of its name, addresses and tokens
	NodeMoved    = "moved"    // gets another token
)

// NodeChange is what a change means to one node. Fractions are of one copy of the
// test keyspace, 0 to 1; those of a datacenter add up to its replication factor.
type NodeChange struct {
	Name         string   `json:"name"`
	Datacenter   string   `json:"datacenter"`
	What         string   `json:"what"` // one of the Node constants
	TokensBefore []string `json:"tokens_before"`
	TokensAfter  []string `json:"tokens_after"`
	OwnsBefore   float64  `json:"owns_before"`
	OwnsAfter    float64  `json:"owns_after"`
	Receives     float64  `json:"receives"` // in all steps together
	// ReceivesBytes is by the load of the live nodes; nil where that is not known.
	ReceivesBytes *int64 `json:"receives_bytes"`
}

// Kinds of Step.
const (
	StepReplace      = "replace"      // an empty node takes the place of a dead one
	StepJoin         = "join"         // a new node bootstraps
	StepDecommission = "decommission" // a node hands over what it has, and is gone
	StepMove         = "move"         // a node goes to another token
	StepCleanup      = "cleanup"      // a node drops what it no longer owns
	StepSeeds        = "seeds"        // every node's list of seeds is written anew
)

// Step is one act of a change.
type Step struct {
	Number int    `json:"number"` // from 1
	Kind   string `json:"kind"`   // one of the Step constants
	Node   string `json:"node"`   // "" where it is all of them
	// Tokens that the node has afterwards, where the step gives it some.
	Tokens []string `json:"tokens"`
	Moves  float64  `json:"moves"` // what travels, as a fraction of one copy
	Bytes  *int64   `json:"bytes"` // the same by the live load; nil where that is not known
}

// ID names the step within its change, for the journal.
func (s Step) ID() string {
	if s.Node == "" {
		return s.Kind
	}
	return s.Kind + " " + s.Node
}
