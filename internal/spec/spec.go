// Package spec reads cluster.yaml: the one file in which a person says what ring
// should stand. Reading is strict, and every problem is reported at once, with
// its line.
package spec

import (
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// DefaultPartitioner is Cassandra's own since 1.2.
const DefaultPartitioner = "Murmur3Partitioner"

// DefaultProvider needs nothing but this computer.
const DefaultProvider = "local"

// Version is the value of the version key that this package reads.
const Version = "crossring/v1"

// Spec is a cluster.yaml with its defaults filled in. Its JSON has the keys of the
// YAML.
type Spec struct {
	Version     string `json:"version"`
	Name        string `json:"name"`         // crossring's name of the cluster
	ClusterName string `json:"cluster_name"` // Cassandra's
	Cassandra   string `json:"cassandra"`    // a series, "5.0", or a release in full, "5.0.9"
	Partitioner string `json:"partitioner"`  // short class name
	Provider    string `json:"provider"`
	// Regions lists the zones that have nodes, in the order in which nodes are
	// numbered and datacenters get their tokens. Several may be of one region.
	Regions   []Region `json:"regions"`
	Naming    string   `json:"naming"` // of datacenters and racks: legacy or standard
	NumTokens int      `json:"num_tokens"`
	Disks     Disks    `json:"disks"`
	HeapMB    int      `json:"heap_mb"` // 0 leaves it to the plan
	// RTT is the round trips between regions that the local provider makes; nil leaves them
	// to the plan.
	RTT RoundTrips `json:"rtt_ms"`
	// Lines is what the lines between regions do beside, by RTTPair or, for one direction, by
	// topology.WayKey.
	Lines    map[string]Line `json:"lines,omitempty"`
	Keyspace Keyspace        `json:"keyspace"`
	Settings map[string]any  `json:"settings"` // further keys of cassandra.yaml
	Stress   Stress          `json:"stress"`
	// Hosts is the inventory file of provider hosts.
	Hosts string `json:"hosts,omitempty"`
	// CassandraMirror is a URL below which the machines of provider hosts find
	// Cassandra's tarballs; empty sends them the jars of this computer.
	CassandraMirror string `json:"cassandra_mirror,omitempty"`
	// EC2 is nil when the file has no such block and another provider is asked for.
	EC2 *EC2 `json:"ec2,omitempty"`
	// CCM and Containers are nil as EC2 is.
	CCM        *CCM        `json:"ccm,omitempty"`
	Containers *Containers `json:"containers,omitempty"`
	// TLS is nil when the file has no such block: everything is plain text then.
	TLS *TLS `json:"tls,omitempty"`

	source *source
}

// Region is the nodes of one availability zone.
type Region struct {
	Region string `json:"region"`
	Zone   string `json:"zone"`
	Nodes  int    `json:"nodes"`
	// DCSuffix ends the name of the datacenter, as the Ec2 snitches' dc_suffix does: so one
	// region has several.
	DCSuffix string `json:"dc_suffix,omitempty"`
}

// Disks names the logical volume of each kind of data.
type Disks struct {
	Data        string `json:"data"`
	Commitlog   string `json:"commitlog"`
	SavedCaches string `json:"saved_caches"`
}

// Keyspace is the test keyspace. Replication is the factor by datacenter, or by
// ReplicationFactor for all that are not named; empty leaves it to the plan, which knows
// the datacenters' names.
type Keyspace struct {
	Name        string         `json:"name"`
	Table       string         `json:"table"`
	Replication map[string]int `json:"replication"`
}

// ReplicationFactor stands in Replication for every datacenter that is not named, as it
// does in CQL from Cassandra 4.0 on.
const ReplicationFactor = "replication_factor"

// Stress is what the write and the read do unless told otherwise.
type Stress struct {
	topology.Load
	// MissingDeadline is how long a row that a read missed is asked for again, as
	// time.ParseDuration reads it; "0s" is not at all.
	MissingDeadline string `json:"missing_deadline"`
}

// Defaults fills in what is left out: every field that is empty or 0, where that
// is not a value of its own. What depends on more than the spec (datacenter names,
// heap size) stays empty. It may be called again.
func Defaults(s *Spec) {
	def(&s.Version, Version)
	def(&s.ClusterName, s.Name)
	def(&s.Cassandra, release.Newest().Series)
	def(&s.Partitioner, DefaultPartitioner)
	def(&s.Provider, DefaultProvider)
	def(&s.Naming, "legacy")
	def(&s.NumTokens, 1)
	def(&s.Disks.Data, "fs1")
	def(&s.Disks.Commitlog, "fs2")
	def(&s.Disks.SavedCaches, s.Disks.Commitlog)
	def(&s.Keyspace.Name, "crossring")
	def(&s.Keyspace.Table, "rows_by_key")
	def(&s.Stress.Rows, 100_000)
	def(&s.Stress.ValueBytes, 2048)
	def(&s.Stress.InFlight, topology.DefaultInFlight)
	def(&s.Stress.WriteCL, "ONE")
	def(&s.Stress.ReadCL, "ONE")
	def(&s.Stress.MissingDeadline, (120 * time.Second).String())
	if s.EC2 != nil || s.Provider == "ec2" {
		e := EC2{}
		if s.EC2 != nil {
			e = *s.EC2
		}
		if e.Volumes != nil {
			v := *e.Volumes
			e.Volumes = &v
		}
		defaultsEC2(&e)
		s.EC2 = &e
	}
	defaultsPlaces(s)
	if s.TLS != nil {
		s.TLS = defaultsTLS(*s.TLS)
	}
	// A copy, so that a Spec that shares the list with this one stays as it is.
	s.Regions = append([]Region(nil), s.Regions...)
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.Region != "" {
			def(&r.Zone, r.Region+"a")
		}
		def(&r.Nodes, 1)
	}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
