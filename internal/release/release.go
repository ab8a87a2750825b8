// Package release holds what differs between Cassandra versions, as data: one
// file and one value per series. Code asks the value; it does not compare
// version numbers.
package release

import (
	"fmt"
	"slices"
	"strings"
)

// Release is one series of Cassandra as crossring ships it.
type Release struct {
	Series  string   // "5.0"
	Patches []string // releases with a lock, newest first: "5.0.9", "5.0.5"
	Version string   // the one that is meant: of All and of a series the newest

	// Artifacts are those that the server or nodetool needs and cassandra-all does not
	// bring along.
	Artifacts []Artifact

	// How it is started.
	Main         string   // main class of the server
	Nodetool     string   // main class of nodetool
	NodetoolArgs []string // JVM options that nodetool needs on a newer Java
	JavaMin      int      // oldest Java that runs it
	JavaMax      int      // newest one
	OldImage     bool     // its official image has a Java below 11, or there is none
	Exports      []string // module/package, for --add-exports …=ALL-UNNAMED
	Opens        []string // module/package, for --add-opens …=ALL-UNNAMED
	JVM          []string // further JVM options
	Jamm         bool     // needs the jamm agent
	Log          string   // "log4j" or "logback"

	// NodetoolFromSource: the main class dies on a newer Java before it does anything.
	NodetoolFromSource bool

	// What it can do and how it says it.
	Template          string // file in templates/ for cassandra.yaml
	ThriftServer      bool   // has start_rpc
	NamingSchemeKey   bool   // cassandra-rackdc.properties takes ec2_naming_scheme
	MetadataTypeKey   bool   // cassandra-rackdc.properties takes ec2_metadata_type
	BothAddresses     bool   // listen_on_broadcast_address: it can listen at its public address, too
	RackdcOnClassPath bool   // cassandra-rackdc.properties is found on the class path only
	JMXByJVM          bool   // has no cassandra.jmx.local.port: only the JVM's own agent opens RMI
	YAMLBasicPlane    bool   // its YAML parser cuts characters to 16 bits
	PlainClusterName  bool   // puts its cluster_name into a CQL statement as it is, and dies of a single quote
	BindsOutgoing     bool   // storage connections leave from listen_address
	SeparateTLSPort   bool   // internode TLS has a port of its own (7001)
	HintsDirectory    bool
	CDCDirectory      bool
	VirtualTables     bool // system_views.gossip_info and pending_hints
	PeersV2           bool // system.peers_v2
	EachQuorumReads   bool // reads at EACH_QUORUM are answered
	// PaxosWrite and PaxosRead are the round trips of a lightweight transaction and of a
	// serial read, in their order: prepare, read, propose, commit. None: it has no such thing.
	// As StorageProxy.cas and readWithPaxos have them (legacyCas from 4.1 on, whose default is
	// paxos_variant v1); serial reads propose since CASSANDRA-12126.
	PaxosWrite, PaxosRead []string
	// Predictor: it has a predictor of its own of how soon rows are seen, PBSPredictor.
	Predictor bool
	// SnitchBadness is the default of dynamic_snitch_badness_threshold.
	SnitchBadness float64
	// OverloadedOpen: a coordinator looks at the hints of one replica after the other,
	// and sends to each before it looks at the next one. So a write that it ends as
	// overloaded may have been sent. (StorageProxy.sendToHintedEndpoints; later ones
	// look at all first.)
	OverloadedOpen bool
	// QuarantineDelay: has cassandra.gossip_quarantine_delay_ms. Without, a node that has
	// no token yet and is silent for ring_delay_ms is forgotten, and as a seed for good.
	QuarantineDelay bool
	// RowOverhead: at every start it fills a memtable with 100,000 rows to learn what one
	// weighs, and cassandra.memtable_row_overhead_computation_step says with how many.
	RowOverhead bool

	// TLS.
	TLSKey    string // kind of key that its suites are made for; of RSA, for no other
	PEMStores bool   // reads PEM; the others read JKS
	HotReload bool   // reads its stores again when it is told
	// EndpointVerification: has require_endpoint_verification, which holds a certificate
	// against the address that it comes from.
	EndpointVerification bool

	// Native protocol, as the driver must speak it.
	Proto      int    // native protocol version to ask for
	CQLVersion string // CQLVersion of the driver
	// NoHostLookup: system.local lacks what the driver's own discovery needs.
	NoHostLookup bool
	// KeepMetadata: prepared statements carry no result metadata.
	KeepMetadata bool
	// StreamsPerConn is how many requests one connection carries at once.
	StreamsPerConn int
	// MaxValueBytes is the largest value that one row is written with: from 2.2 on a request,
	// its statement and key included, has to fit a commit log segment's half, and from 4.1 on a
	// frame, both 16 MiB. Found by writes on real servers.
	MaxValueBytes int
	// TableOptions follow WITH in CREATE TABLE: no background repair, no
	// speculative reads, no compression, where the series knows the option.
	TableOptions string

	// JMX names, as read from the server's MBeans.
	HostIDAttribute string // on StorageService
	LoadBean        string // bean and attribute of the load in bytes
	LoadAttribute   string
	FlushOperation  string // with signature, on StorageService
	EstimateBean    string // %s keyspace, %s table
	EstimateOp      string // operation of the bean, or
	EstimateAttr    string // attribute of the bean
	OwnershipOp     string // operation of StorageService
	// PlainDecommission: decommission takes no argument, and so can't be forced.
	PlainDecommission bool
	TableCleanup      bool // the operation cleanup is forceTableCleanup

	// SystemSchema: keyspaces are in system_schema.keyspaces, not in system.schema_keyspaces.
	SystemSchema bool
	Layout       NodetoolLayout
}

// Artifact is a Maven artifact. Without a Version it has Cassandra's.
type Artifact struct{ Group, Name, Version string }

// NodetoolLayout is how the series' own nodetool prints ring and status.
type NodetoolLayout struct {
	BinaryUnits bool // KiB where the older ones say KB
	AddressPort bool // the address column of ring has room for the port
	Replicas    bool // ring has a line "Replicas: n" for each datacenter
	PlainOwns   bool // Owns is filled without a keyspace too, ignoring topology
	// OwnsKeyspace is whose effective ownership fills Owns while no keyspace is
	// named and the user has made none; "" where there is no such thing.
	OwnsKeyspace string
	StatusTable  bool // columns of status are as wide as their widest cell
	TokensColumn int  // width of Tokens in status, where it is fixed
	OwnsColumn   int  // width of Owns in status without a keyspace, where it is fixed
}

// but is a series that is as r is, apart from what change sets.
func (r Release) but(change func(*Release)) Release {
	change(&r)
	return r
}

// All lists the newest release of every series, oldest series first.
func All() []Release {
	all := []Release{v1_2, v2_2, v3_11, v4_0, v4_1, v5_0}
	for i := range all {
		all[i].Version = all[i].Patches[0]
	}
	return all
}

// Newest is the newest release of the newest series: what a spec gets that names none.
func Newest() Release {
	all := All()
	return all[len(all)-1]
}

// Find takes a series ("5.0"), which is its newest release, or a full version that has
// a lock ("5.0.5"). The Version of the result is the one asked for.
func Find(version string) (Release, error) {
	var known []string
	for _, r := range All() {
		if version == r.Series {
			return r, nil
		}
		if strings.HasPrefix(version, r.Series+".") {
			if !slices.Contains(r.Patches, version) {
				return Release{}, &UnknownError{Version: version, Known: r.Patches}
			}
			r.Version = version
			return r, nil
		}
		known = append(known, r.Version)
	}
	return Release{}, &UnknownError{Version: version, Known: known}
}

// Of is the release of a cluster that stands, made perhaps by a crossring with the lock
// of another patch release: that of its series. The Version of the result is the
// cluster's.
func Of(version string) (Release, error) {
	for _, r := range All() {
		if strings.HasPrefix(version, r.Series+".") {
			r.Version = version
			return r, nil
		}
	}
	return Find(version)
}

// UnknownError says that crossring has no template and no lock for a version.
type UnknownError struct {
	Version string
	Known   []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("cassandra %s is not a version that crossring knows; it knows %s", e.Version, strings.Join(e.Known, ", "))
}

// ModuleArgs are the java arguments that give the version what it needs of Java's own
// modules.
func (r Release) ModuleArgs() []string {
	var args []string
	for _, m := range r.Exports {
		args = append(args, "--add-exports="+m+"=ALL-UNNAMED")
	}
	for _, m := range r.Opens {
		args = append(args, "--add-opens="+m+"=ALL-UNNAMED")
	}
	return args
}
