package yamlgen

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// values is all that the templates see.
type values struct {
	ClusterName, Partitioner, Snitch string
	NumTokens                        int
	VirtualNodes                     bool   // num_tokens is more than one
	Tokens                           string // as initial_token takes them
	Bootstrap                        bool
	Seeds                            string

	DataDir, CommitlogDir, SavedCachesDir, HintsDir, CDCDir string
	PrivateAddress, PublicAddress                           string
	ListenBoth                                              bool
	StoragePort, SSLStoragePort, NativePort, RPCPort        int
	StartRPC                                                bool

	// Request timeouts in milliseconds; 0 is the series' own default.
	ReadTimeoutMS, RangeTimeoutMS, WriteTimeoutMS, TruncateTimeoutMS, RequestTimeoutMS int

	InternodeTLS, ClientTLS             bool
	KeyStore, TrustStore, StorePassword string

	// Local: all nodes and the load share one computer.
	Local bool

	Ec2Snitch                  bool
	NamingScheme, MetadataType string // "" where the series has no such key
	DCSuffix                   string // of the datacenter's name, behind what the zone comes to
	Datacenter, Rack           string

	Layout                         topology.Layout
	ConfFile, RackdcFile, LogFile  string
	Log4j                          bool
	ClassPath                      string
	HeapMB                         int
	ReleaseJVM, EnvJVM             []string
	Exports, Opens                 []string
	JammAgent, JolokiaAgent        string
	JolokiaHost                    string
	JolokiaUser, JolokiaPassword   string
	JolokiaOrigin                  string
	AgentFile, PolicyFile          string
	Access                         []release.Access
	JolokiaPort, JMXPort           int
	JMXByJVM                       bool
	JMXPasswordFile, JMXAccessFile string
	RMIHost                        string
	MetadataPort                   int
	CDSArchive, ProcID             string
	Fresh                          bool
	RingDelayMS                    int
	Quarantine                     string
	RowOverhead                    bool
	Java, User, ArgFile, Main      string
}

// Stores are the paths of a node's key store and trust store: PEM where the
// release reads it, else JKS.
func Stores(node topology.Node, rel release.Release) (key, trust string) {
	ext := ".jks"
	if rel.PEMStores {
		ext = ".pem"
	}
	dir := node.Layout.TLSDir()
	return path.Join(dir, "node"+ext), path.Join(dir, "ca"+ext)
}

// IncompleteError lists what a plan or node lacks, or has wrong, for its files
// to be written.
type IncompleteError struct {
	Node     string
	Problems []string
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("rendering %s: %s", e.Node, strings.Join(e.Problems, "; "))
}

func newValues(inv topology.Inventory, node topology.Node, env Env, rel release.Release, seeds []string) (values, error) {
	if err := check(inv.Plan, node, env, rel, seeds); err != nil {
		return values{}, err
	}
	p, l := inv.Plan, node.Layout
	v := values{
		ClusterName: p.ClusterName,
		Partitioner: qualified("org.apache.cassandra.dht.", p.Partitioner),
		Snitch:      p.Snitch,
		NumTokens:   max(1, p.NumTokens), VirtualNodes: p.NumTokens > 1,
		Tokens:    strings.Join(node.Tokens, ","),
		Bootstrap: node.Bootstrap,
		Seeds:     strings.Join(seeds, ","),
		DataDir:   l.Data, CommitlogDir: l.Commitlog, SavedCachesDir: l.SavedCaches, HintsDir: l.Hints, CDCDir: l.CDC,
		PrivateAddress: node.PrivateAddress, PublicAddress: node.PublicAddress,
		ListenBoth:  node.Host != nil && node.Host.PublicHere,
		StoragePort: node.Ports.Storage, NativePort: node.Ports.Native,
		// The keys stand even where the listener is off.
		SSLStoragePort: or(node.Ports.SSLStorage, 7001), RPCPort: or(node.Ports.Thrift, 9160),
		StartRPC: node.Ports.Thrift != 0,
		Local:    p.OneComputer(),

		Ec2Snitch: strings.HasPrefix(p.Snitch[strings.LastIndexByte(p.Snitch, '.')+1:], "Ec2"),
		DCSuffix:  dcSuffix(p, node), Datacenter: node.Datacenter, Rack: node.Rack,

		Layout:     l,
		ConfFile:   path.Join(l.Conf, CassandraYAML),
		RackdcFile: path.Join(l.Conf, Rackdc),
		LogFile:    path.Join(l.Conf, logFile(rel)),
		Log4j:      rel.Log == "log4j",
		ClassPath:  strings.Join(env.ClassPath, ":"),
		HeapMB:     p.HeapMB,
		ReleaseJVM: rel.JVM, EnvJVM: env.JVM,
		Exports: toUnnamed(rel.Exports), Opens: toUnnamed(rel.Opens),
		JolokiaHost: "127.0.0.1", RMIHost: node.RMIHost(), JMXPort: node.Ports.JMX, JMXByJVM: rel.JMXByJVM || env.JMXSecret, MetadataPort: node.Ports.Metadata,
		CDSArchive: env.CDSArchive, ProcID: env.ProcID, Fresh: env.Fresh, RingDelayMS: ringDelay(p.OneComputer(), rel, node), Quarantine: Quarantine, RowOverhead: rel.RowOverhead,
		Java: env.Java, User: env.User, ArgFile: "@" + path.Join(l.Conf, JVMOptions), Main: rel.Main,
	}
	if env.JMXSecret {
		v.JMXPasswordFile, v.JMXAccessFile = path.Join(l.Conf, JMXPassword), path.Join(l.Conf, JMXAccess)
	}
	if p.TLS != nil {
		v.InternodeTLS, v.ClientTLS, v.StorePassword = p.TLS.Internode, p.TLS.Client, env.StorePassword
		v.KeyStore, v.TrustStore = Stores(node, rel)
	}
	if v.Local {
		// All nodes are the same computer's: their loopback addresses tell them apart.
		v.JolokiaHost, v.RMIHost = node.PrivateAddress, node.PrivateAddress
		v.ReadTimeoutMS, v.WriteTimeoutMS, v.RequestTimeoutMS = 10_000, 10_000, 10_000
		v.RangeTimeoutMS, v.TruncateTimeoutMS = 30_000, 60_000
	}
	if rel.RackdcOnClassPath {
		// Last, so that what stands before it still fits a class archive.
		v.ClassPath += ":" + l.Conf
	}
	if rel.NamingSchemeKey {
		v.NamingScheme = or(p.NamingScheme, "legacy")
	}
	if rel.MetadataTypeKey {
		v.MetadataType = "v2"
	}
	if rel.Jamm {
		v.JammAgent = env.JammAgent
		v.Exports = append(v.Exports, release.ModernExportsTo)
	}
	if node.Ports.Jolokia != 0 {
		v.JolokiaAgent, v.JolokiaPort = env.JolokiaAgent, node.Ports.Jolokia
		v.agent(rel, node, env.AgentPassword)
	}
	v.Java, v.User = or(v.Java, "/usr/bin/java"), or(v.User, "cassandra")
	return v, nil
}

// dcSuffix is what the datacenter's name has behind that of the node's zone.
func dcSuffix(p topology.Plan, node topology.Node) string {
	dc, _ := topology.EC2Names(p.NamingScheme, node.Zone)
	suffix, _ := strings.CutPrefix(node.Datacenter, dc)
	if dc == "" || suffix == node.Datacenter {
		return ""
	}
	return suffix
}

// agent puts in what a node's agent asks for, and where that stands.
func (v *values) agent(rel release.Release, node topology.Node, password string) {
	v.JolokiaUser, v.JolokiaPassword, v.JolokiaOrigin = release.AgentUser, password, release.AgentOrigin
	v.AgentFile, v.PolicyFile = path.Join(node.Layout.Conf, AgentConfig), path.Join(node.Layout.Conf, AgentPolicy)
	v.Access = rel.AgentAccess()
}

// check collects everything that would make a file that Cassandra refuses, or
// worse, takes with a default of its own.
func check(p topology.Plan, node topology.Node, env Env, rel release.Release, seeds []string) error {
	e := &IncompleteError{Node: or(node.Name, "node "+strconv.Itoa(node.Index))}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			e.Problems = append(e.Problems, fmt.Sprintf(format, args...))
		}
	}
	need(p.ClusterName != "", "no cluster name")
	need(p.Partitioner != "", "no partitioner")
	need(p.Snitch != "", "no snitch")
	need(len(seeds) > 0, "no seed in the inventory")
	for _, s := range seeds {
		need(s != "", "a seed has no public address")
	}
	need(node.PrivateAddress != "", "no private address")
	need(node.PublicAddress != "", "no public address")
	need(node.Ports.Storage != 0, "no storage port")
	need(node.Ports.Native != 0, "no native transport port")
	// Cassandra makes up tokens that it is not given; a count that differs stops
	// the newer series and shifts the ring on the older ones.
	if n := len(node.Tokens); n > 0 {
		need(n == max(1, p.NumTokens), "%s where num_tokens is %d", plain.Count(n, "token"), max(1, p.NumTokens))
	} else {
		need(p.NumTokens > 1, "no token")
	}
	need(len(env.ClassPath) > 0, "no class path")
	for _, jar := range env.ClassPath {
		need(!strings.Contains(jar, ":"), "class path entry %q has a colon in it, which separates entries", jar)
	}
	need(p.TLS == nil || rel.PEMStores || env.StorePassword != "", "no password for its key store")
	need(env.AgentPassword != "" || !env.JMXSecret && (env.JolokiaAgent == "" || node.Ports.Jolokia == 0), "no password for its agent")
	for _, agent := range []string{env.JammAgent, env.JolokiaAgent} {
		need(!strings.Contains(agent, "="), "agent path %q has an equals sign in it, which begins its options", agent)
	}
	l := node.Layout
	dirs := []struct{ name, path string }{
		{"root", l.Root}, {"conf", l.Conf}, {"data", l.Data}, {"commitlog", l.Commitlog}, {"saved caches", l.SavedCaches},
		{"log", l.Log}, {"tmp", l.Tmp}, {"home", l.Home},
	}
	if rel.HintsDirectory {
		dirs = append(dirs, struct{ name, path string }{"hints", l.Hints})
	}
	if rel.CDCDirectory {
		dirs = append(dirs, struct{ name, path string }{"cdc", l.CDC})
	}
	for _, d := range dirs {
		need(path.IsAbs(d.path), "%s directory %q is not an absolute path", d.name, d.path)
	}
	if rel.RackdcOnClassPath {
		need(!strings.Contains(l.Conf, ":"), "conf directory %q has a colon in it, and it is on the class path", l.Conf)
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

func toUnnamed(pkgs []string) []string {
	out := make([]string, len(pkgs), len(pkgs)+1)
	for i, p := range pkgs {
		out[i] = p + "=ALL-UNNAMED"
	}
	return out
}

func qualified(pkg, class string) string {
	if strings.Contains(class, ".") {
		return class
	}
	return pkg + class
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Quarantine is the option of the JVM that keeps a short ring_delay_ms from having nodes
// forgotten that start slowly: half of it is how long those may be silent, and Cassandra
// makes it twice ring_delay_ms where it is not given. It is for releases with
// release.Release.QuarantineDelay.
const Quarantine = "-Dcassandra.gossip_quarantine_delay_ms=60000"

// ringDelay is how long, in milliseconds, a node of a fresh ring looks for others: a
// seed starts alone after that, any other node ends itself. Cassandra looks at the
// clock once a second, and goes on when more than the delay has passed: on one
// computer, where nothing is far, one second is enough. It is 0, for Cassandra's own
// half a minute, where the same delay also says how long a starting node may be silent
// before the others forget it, as a seed for good.
func ringDelay(local bool, rel release.Release, n topology.Node) int {
	switch {
	case !n.Seed || !rel.QuarantineDelay:
		return 0
	case local:
		return 900
	}
	return 2000
}
