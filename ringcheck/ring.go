// Package ringcheck says what a ring is: it asks every node, by JMX over HTTP
// or by CQL, merges the answers into one Ring, and holds that against the plan.
package ringcheck

import (
	"encoding/json"
	"time"

	"crossring/internal/topology"
)

// Ring is what the nodes say the ring is, and where that differs from the plan.
type Ring struct {
	Schema         string              `json:"schema"`
	Cluster        string              `json:"cluster"`
	Version        string              `json:"cassandra_version"` // as planned; nodes have their own release_version
	Partitioner    string              `json:"partitioner"`       // short class name
	Keyspace       string              `json:"keyspace"`          // of owns_effective; "" while there is none
	Source         string              `json:"source"`            // "jmx" or "cql"
	Datacenters    []Datacenter        `json:"datacenters"`       // in plan order, then the unplanned ones by name
	Mismatches     []Mismatch          `json:"mismatches"`
	AgreedSchema   bool                `json:"agreed_schema"` // every node that answered has the same schema version
	SchemaVersions map[string][]string `json:"schema_versions"`
	// RTT between regions in milliseconds, as measured: "us-east -> us-west-2".
	RTT map[string]float64 `json:"rtt_ms"`
	// Faults of the network that are in force; nil where that is not known.
	Faults []topology.NetworkFault `json:"network_faults"`
	// Certificates of the cluster, as they were issued; none where it has no TLS. Only
	// Ring's own answer has them.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Certificate is one that the cluster lives by.
type Certificate struct {
	Name     string    `json:"name"` // of the node, crossring's own, or ca
	Kind     string    `json:"kind"` // node, client or ca
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"not_after"`
	Days     int       `json:"days"` // that are left; negative once it has ended
}

// Datacenter holds its nodes in token order.
type Datacenter struct {
	Name  string `json:"name"`
	Nodes []Node `json:"nodes"`
}

// Node as the ring has it. Address is the broadcast address.
type Node struct {
	Name           string   `json:"name"` // "" for one that is not in the plan
	Address        string   `json:"address"`
	PrivateAddress string   `json:"private_address"`
	Rack           string   `json:"rack"`
	Status         Said     `json:"status"`         // Up or Down; null when the source cannot tell
	State          Said     `json:"state"`          // Normal, Joining, Leaving, Moving; null when the source cannot tell
	LoadBytes      *int64   `json:"load_bytes"`     // from the node itself; null when it did not say
	LoadGossiped   string   `json:"load_gossiped"`  // as the others last heard it, in nodetool's words; "" when unknown
	Owns           *float64 `json:"owns"`           // fraction 0..1 of the tokens, ignoring topology; null when unknown
	OwnsEffective  *float64 `json:"owns_effective"` // fraction 0..1, null while there is no keyspace
	// OwnsSystem is what nodetool shows as effective while there is no keyspace of
	// the user's: of one of the system's; null from then on, and where it shows none.
	OwnsSystem     *float64 `json:"owns_system"`
	HostID         string   `json:"host_id"`
	Tokens         []string `json:"tokens"` // decimal, ascending
	ReleaseVersion string   `json:"release_version"`
	// SeenUpBy counts how many of the asked nodes see this one up; null when one that
	// knows it cannot tell.
	SeenUpBy *int `json:"seen_up_by"`
	Asked    int  `json:"asked"`
}

// Unsaid lists in words what a ring that was read by CQL leaves open, and one that was
// read by JMX tells.
func (r Ring) Unsaid() []string {
	if r.Source != SourceCQL {
		return nil
	}
	var load, gossiped, state, seen, status bool
	system := r.Keyspace == "" && layoutOf(r.Version).OwnsKeyspace != ""
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			load = load || n.LoadGossiped == "" && n.LoadBytes == nil
			gossiped = gossiped || n.LoadGossiped != "" && n.LoadBytes == nil
			state, seen, status = state || n.State == "", seen || n.SeenUpBy == nil, status || n.Status == ""
			system = system && n.OwnsSystem == nil
		}
	}
	var list []string
	for _, u := range []struct {
		open bool
		what string
	}{
		{status, "whether a node that did not answer is up"},
		{seen, "whom each node sees up"},
		{state, "whether a node is leaving or moving"},
		{load, "the load of nodes"},
		{gossiped && !load, "the load of nodes at this moment (it is as last gossiped)"},
		{system, "who owns what while there is no keyspace"},
	} {
		if u.open {
			list = append(list, u.what)
		}
	}
	return list
}

// Said is a word of a node's; "" is that there was none, and null in JSON.
type Said string

// MarshalJSON writes the word, or null.
func (s Said) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// Mismatch is one difference between plan and ring.
type Mismatch struct {
	Kind    string `json:"kind"` // one of the Kind constants
	Node    string `json:"node"` // name, or the address of an unplanned one; "" when it is the whole ring's
	Want    string `json:"want"`
	Got     string `json:"got"`
	Message string `json:"message"`
}

// OK says that the ring is as planned.
func (r Ring) OK() bool { return len(r.Mismatches) == 0 }

// Values of Node.Status and Node.State.
const (
	Up   = "Up"
	Down = "Down"

	Normal  = "Normal"
	Joining = "Joining"
	Leaving = "Leaving"
	Moving  = "Moving"
)

// Values of Ring.Source.
const (
	SourceJMX = topology.SourceJMX
	SourceCQL = topology.SourceCQL
)
