// Package topology is the shared vocabulary: what a cluster should be (Plan) and
// what was made (Inventory), as data and JSON only. Nothing here acts.
package topology

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Schema heads every JSON document that crossring writes.
const Schema = "crossring/v1"

// Plan is what should stand, worked out from a spec alone: the same spec gives
// the same plan, byte for byte. Addresses are not in it where the provider
// decides them.
type Plan struct {
	Schema       string `json:"schema"`
	Name         string `json:"name"`         // crossring's name of the cluster
	ClusterName  string `json:"cluster_name"` // Cassandra's cluster_name
	Provider     string `json:"provider"`
	Version      string `json:"cassandra_version"` // full, x.y.z
	Partitioner  string `json:"partitioner"`       // short class name
	Snitch       string `json:"snitch"`            // short class name
	NamingScheme string `json:"ec2_naming_scheme"` // legacy or standard
	NumTokens    int    `json:"num_tokens"`
	HeapMB       int    `json:"heap_mb"`
	// RTTMillis is between regions, as the local provider makes it; nil of a network that
	// nothing is known of.
	RTTMillis *float64 `json:"rtt_ms"`
	// RTTPairs has the round trips of pairs of regions, "us-east-1:us-west-2", where they are
	// not all RTTMillis; see RTT.
	RTTPairs map[string]float64 `json:"rtt_pairs_ms,omitempty"`
	// Ways has the directions, by WayKey, that are not half of a round trip and nothing else;
	// see Way.
	Ways map[string]Way `json:"ways,omitempty"`
	// Hosts is the inventory file of the hosts provider.
	Hosts string `json:"hosts,omitempty"`
	// Mirror is where the machines of the hosts provider find Cassandra's tarballs;
	// "" sends them the jars of this computer.
	Mirror   string   `json:"cassandra_mirror,omitempty"`
	Disks    Disks    `json:"disks"`
	Keyspace Keyspace `json:"keyspace"`
	Stress   Stress   `json:"stress"`
	// Settings are further cassandra.yaml keys, value by key, that the spec asks for.
	Settings map[string]any    `json:"settings,omitempty"`
	Nodes    []Node            `json:"nodes"`
	Rules    []Rule            `json:"rules"`
	Tags     map[string]string `json:"tags"`
	Cost     *Cost             `json:"cost"`
	// Wire is what one write of the test sends between regions at least.
	Wire       []Wire          `json:"wire"`
	Calls      []string        `json:"calls"`
	EC2        *EC2Plan        `json:"ec2,omitempty"`
	CCM        *CCMPlan        `json:"ccm,omitempty"`
	Containers *ContainersPlan `json:"containers,omitempty"`
	// Change leads from a cluster that runs to this plan; nil when none does, or it
	// is as planned.
	Change *Change `json:"change,omitempty"`
	// TLS is nil where everything is plain text.
	TLS *TLSPlan `json:"tls,omitempty"`
}

// Disks names the logical volume of each kind of data.
type Disks struct {
	Data        string `json:"data"`
	Commitlog   string `json:"commitlog"`
	SavedCaches string `json:"saved_caches"`
}

// Keyspace is the test keyspace: its replication by datacenter, and its table.
type Keyspace struct {
	Name        string         `json:"name"`
	Table       string         `json:"table"`
	Replication map[string]int `json:"replication"`
}

// Load is what the write and the read do, as the spec says it, the plan has it and the
// command line changes it.
type Load struct {
	Rows       int64   `json:"rows"`
	ValueBytes int     `json:"value_bytes"`
	InFlight   int     `json:"in_flight"`
	Rate       float64 `json:"rate"` // operations per second; 0 is a closed loop
	WriteCL    string  `json:"write_consistency"`
	ReadCL     string  `json:"read_consistency"`
	WriteDC    string  `json:"write_datacenter"` // empty in a spec leaves it to the plan
	ReadDC     string  `json:"read_datacenter"`
}

// DefaultInFlight is how many requests are under way at once unless told otherwise.
const DefaultInFlight = 128

// Stress holds the defaults of the write and the read.
type Stress struct {
	Load
	// MissingDeadlineSeconds is how long a row that a read missed is asked for again.
	MissingDeadlineSeconds float64 `json:"missing_deadline_seconds"`
	// Connections is the policy of the load's connections; "" is one session for all.
	Connections string `json:"connections,omitempty"`
	// TLSVersion and Ciphers are how the load speaks TLS, by name; empty is the best
	// that both sides have. TLSResume resumes sessions where connections are made again.
	TLSVersion string   `json:"tls_version,omitempty"`
	Ciphers    []string `json:"ciphers,omitempty"`
	TLSResume  bool     `json:"tls_resume,omitempty"`
}

// Cost is an estimate in US dollars.
type Cost struct {
	// PerHourUSD and TTLUSD are nil where a price is missing: then it is only known what
	// it costs at least.
	PerHourUSD        *float64 `json:"per_hour_usd"`
	TTLUSD            *float64 `json:"ttl_usd"`
	AtLeastPerHourUSD float64  `json:"at_least_per_hour_usd"`
	AtLeastTTLUSD     float64  `json:"at_least_ttl_usd"`
	PricesAsOf        string   `json:"prices_as_of"`
	// TransferUSD is of TTLUSD: one write of the test, between regions.
	TransferUSD float64    `json:"transfer_usd"`
	Items       []CostItem `json:"items"`
	Unpriced    []string   `json:"unpriced"` // what the prices do not cover
}

// CostItem is one line of an estimate: count of something, together.
type CostItem struct {
	Region     string  `json:"region"`
	What       string  `json:"what"`
	Count      int     `json:"count"`
	PerHourUSD float64 `json:"per_hour_usd"`
}

// Node is one Cassandra node. In a Plan its addresses, ports and layout may be
// empty; in an Inventory they are set.
type Node struct {
	Name       string   `json:"name"`  // region and number in it: us-east-1-1
	Index      int      `json:"index"` // from 1, over the whole cluster
	Region     string   `json:"region"`
	Zone       string   `json:"zone"`
	Datacenter string   `json:"datacenter"`
	Rack       string   `json:"rack"`
	Tokens     []string `json:"tokens"` // decimal, ascending
	Seed       bool     `json:"seed"`
	// Bootstrap is false on the nodes of a fresh ring and true on one that joins data.
	Bootstrap      bool   `json:"bootstrap"`
	PrivateAddress string `json:"private_address,omitempty"` // listen and rpc
	PublicAddress  string `json:"public_address,omitempty"`  // broadcast
	Ports          Ports  `json:"ports"`
	Layout         Layout `json:"layout"`
	// Host is the node's machine, on providers that have machines.
	Host *Host `json:"host,omitempty"`
}

// Ports of a node. 0 means off.
type Ports struct {
	Storage    int `json:"storage"`
	SSLStorage int `json:"ssl_storage"`
	Native     int `json:"native"`
	Thrift     int `json:"thrift"`
	Jolokia    int `json:"jolokia"`
	JMX        int `json:"jmx"`
	Metadata   int `json:"metadata"` // HTTP proxy that answers for 169.254.169.254
}

// DefaultPorts are Cassandra's own; the metadata proxy is off.
func DefaultPorts() Ports {
	return Ports{Storage: 7000, SSLStorage: 7001, Native: 9042, Thrift: 9160, Jolokia: 8778}
}

// Layout says where a node's files are, as absolute paths.
type Layout struct {
	Root        string `json:"root"`
	Conf        string `json:"conf"`
	Data        string `json:"data"`
	Commitlog   string `json:"commitlog"`
	SavedCaches string `json:"saved_caches"`
	Hints       string `json:"hints"`
	CDC         string `json:"cdc"`
	Log         string `json:"log"`
	Tmp         string `json:"tmp"`
	Home        string `json:"home"`
}

// Inventory is what was made: the plan, and its nodes with their addresses.
type Inventory struct {
	Schema     string      `json:"schema"`
	Plan       Plan        `json:"plan"`
	Nodes      []Node      `json:"nodes"`
	Local      *Local      `json:"local,omitempty"`
	EC2        *EC2        `json:"ec2,omitempty"`
	Remote     *Remote     `json:"remote,omitempty"`
	CCM        *CCM        `json:"ccm,omitempty"`
	Containers *Containers `json:"containers,omitempty"`
	Attached   *Attached   `json:"attached,omitempty"`
}

// Check says what an inventory lacks that every one has: a name, nodes, and a place.
func (inv Inventory) Check() error {
	switch {
	case inv.Plan.Name == "":
		return errors.New("it names no cluster")
	case len(inv.Nodes) == 0:
		return errors.New("it has no nodes")
	case inv.Dir() == "":
		return errors.New("it does not say where the cluster's directory is")
	}
	return nil
}

// Dir is the directory that the cluster was made in; "" in an inventory that is none.
func (inv Inventory) Dir() string {
	switch {
	case inv.Local != nil:
		return inv.Local.Dir
	case inv.Remote != nil:
		return inv.Remote.Dir
	case inv.CCM != nil:
		return inv.CCM.Dir
	case inv.Containers != nil:
		return inv.Containers.Dir
	case inv.Attached != nil:
		return inv.Attached.Dir
	}
	return ""
}

// Local is what the local provider alone knows of its cluster.
type Local struct {
	ID   string `json:"id"`   // random; stands in the command line of every process of the cluster
	Slot int    `json:"slot"` // second octet of the cluster's loopback addresses
	Dir  string `json:"dir"`  // state directory of the cluster
	Java string `json:"java"` // path of the java command
}

// Contact is the address of a node that clients outside the cluster dial.
func (inv Inventory) Contact(n Node) string {
	if inv.EC2 != nil {
		return n.PublicAddress // what the operators' networks may reach
	}
	return n.PrivateAddress
}

// Seeds lists the public addresses of the seed nodes, in plan order.
func (inv Inventory) Seeds() []string {
	var seeds []string
	for _, n := range inv.Nodes {
		if n.Seed {
			seeds = append(seeds, n.PublicAddress)
		}
	}
	return seeds
}

// Node finds a node by name, by its number from 1, or by one of its addresses.
func (inv Inventory) Node(ref string) (Node, error) {
	num, numErr := strconv.Atoi(ref)
	for _, n := range inv.Nodes {
		if n.Name == ref || n.PublicAddress == ref || n.PrivateAddress == ref || (numErr == nil && n.Index == num) {
			return n, nil
		}
	}
	names := make([]string, len(inv.Nodes))
	for i, n := range inv.Nodes {
		names[i] = n.Name
	}
	return Node{}, fmt.Errorf("no node %q in cluster %s; its nodes are %s", ref, inv.Plan.Name, strings.Join(names, ", "))
}

// RTT is the round trip between two regions that the local provider makes, in ms; 0 where
// it makes none.
func (p Plan) RTT(a, b string) float64 {
	if ms, ok := p.RTTPairs[min(a, b)+":"+max(a, b)]; ok {
		return ms
	}
	if p.RTTMillis == nil {
		return 0
	}
	return *p.RTTMillis
}

// Datacenters lists the datacenter names in plan order, each once.
func (p Plan) Datacenters() []string {
	var dcs []string
	seen := map[string]bool{}
	for _, n := range p.Nodes {
		if !seen[n.Datacenter] {
			seen[n.Datacenter] = true
			dcs = append(dcs, n.Datacenter)
		}
	}
	return dcs
}

// InDatacenter lists the inventory's nodes of one datacenter.
func (inv Inventory) InDatacenter(dc string) []Node {
	var nodes []Node
	for _, n := range inv.Nodes {
		if n.Datacenter == dc {
			nodes = append(nodes, n)
		}
	}
	return nodes
}
