package ccm

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// serverConf is what matters here of a node's cassandra.yaml.
type serverConf struct {
	ClusterName  string    `yaml:"cluster_name"`
	Partitioner  string    `yaml:"partitioner"`
	Snitch       string    `yaml:"endpoint_snitch"`
	NumTokens    int       `yaml:"num_tokens"`
	InitialToken yaml.Node `yaml:"initial_token"` // as it is written: it may be beyond 64 bits
	Listen       string    `yaml:"listen_address"`
	Broadcast    string    `yaml:"broadcast_address"`
	RPC          string    `yaml:"rpc_address"`
	StoragePort  int       `yaml:"storage_port"`
	NativePort   int       `yaml:"native_transport_port"`
}

// found is one node of a cluster that is there.
type found struct {
	name     string // ccm's
	conf     nodeConf
	server   serverConf
	dc, rack string
}

// adopt takes over a cluster that ccm has made: the inventory is of what is there,
// with its own names of datacenters and racks and its own tokens. What the plan
// asks for has to fit it: the version, the partitioner, and how many nodes each
// datacenter has, the plan's first against ccm's first and so on.
func (p Provider) adopt(plan topology.Plan, command string) (topology.Inventory, error) {
	at := plan.CCM.ConfigDir
	if at == "" {
		at = cmp.Or(os.Getenv("CCM_CONFIG_DIR"), filepath.Join(p.Home, ".ccm"))
	}
	at, err := filepath.Abs(at)
	if err != nil {
		return topology.Inventory{}, fmt.Errorf("find ccm's directory: %w", err)
	}
	name := plan.CCM.Cluster
	broken := &BrokenError{Cluster: name, Adopted: true}
	bad := func(format string, args ...any) {
		broken.Problems = append(broken.Problems, fmt.Sprintf(format, args...))
	}
	dir := filepath.Join(at, name)
	var conf clusterConf
	if err := readYAML(filepath.Join(dir, "cluster.conf"), &conf); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return topology.Inventory{}, &NoClusterError{Cluster: name, ConfigDir: at}
		}
		bad("%v", err)
		return topology.Inventory{}, broken
	}
	nodes := make([]found, 0, len(conf.Nodes))
	for _, node := range conf.Nodes {
		f := found{name: node}
		root := filepath.Join(dir, node)
		err := errors.Join(readYAML(filepath.Join(root, "node.conf"), &f.conf), readYAML(filepath.Join(root, "conf", "cassandra.yaml"), &f.server))
		if err == nil {
			f.dc, f.rack, err = where(root, f)
		}
		if err != nil {
			bad("%v", err)
			continue
		}
		nodes = append(nodes, f)
	}
	if len(broken.Problems) > 0 {
		return topology.Inventory{}, broken
	}
	slices.SortStableFunc(nodes, func(a, b found) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name)) // node2 before node10
	})
	inv := topology.Inventory{Schema: topology.Schema, Plan: plan, CCM: &topology.CCM{
		Dir: state.Dir(p.StateDir, plan.Name), Command: command, ConfigDir: at, Cluster: name, Adopted: true,
		Names: map[string]string{}, Java: p.Java, Jolokia: p.Jolokia,
	}}
	return inv, fit(&inv, conf, nodes)
}

// NoClusterError says that ccm has no cluster of that name.
type NoClusterError struct{ Cluster, ConfigDir string }

func (e *NoClusterError) Error() string {
	return fmt.Sprintf("ccm has no cluster %s in %s", e.Cluster, e.ConfigDir)
}

// ExitCode is that of a spec that is not valid.
func (e *NoClusterError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that lists them.
func (e *NoClusterError) Hint() string {
	return plain.Command("ccm", "list", "--config-dir="+e.ConfigDir)
}

// MisfitError says how a cluster that was to be taken over differs from the spec.
type MisfitError struct {
	Cluster  string
	Problems []string
}

func (e *MisfitError) Error() string {
	return fmt.Sprintf("ccm's cluster %s is not what the spec says: %s", e.Cluster, strings.Join(e.Problems, "; "))
}

// ExitCode is that of a spec that is not valid.
func (e *MisfitError) ExitCode() int { return fail.ExitUsage }

// fit puts what was found in the place of what was planned.
func fit(inv *topology.Inventory, conf clusterConf, nodes []found) error {
	misfit := &MisfitError{Cluster: inv.CCM.Cluster}
	bad := func(format string, args ...any) {
		misfit.Problems = append(misfit.Problems, fmt.Sprintf(format, args...))
	}
	plan := &inv.Plan
	if conf.Version != plan.Version {
		bad("it is Cassandra %s, not %s", conf.Version, plan.Version)
	}
	var dcs []string
	byDC := map[string][]found{}
	for _, f := range nodes {
		if byDC[f.dc] == nil {
			dcs = append(dcs, f.dc)
		}
		byDC[f.dc] = append(byDC[f.dc], f)
		if got := shortClass(f.server.Partitioner); got != plan.Partitioner {
			bad("%s has %s, not %s", f.name, got, plan.Partitioner)
		}
		if got := max(1, f.server.NumTokens); got != max(1, plan.NumTokens) {
			bad("%s has %s, not %d", f.name, plain.Count(got, "token"), max(1, plan.NumTokens))
		}
	}
	planned := plan.Datacenters()
	if len(planned) != len(dcs) {
		bad("it has %s (%s), not %d", plain.Count(len(dcs), "datacenter"), strings.Join(dcs, ", "), len(planned))
	}
	names := map[string]string{} // of datacenters: found by planned
	for i := range min(len(planned), len(dcs)) {
		want := len((topology.Inventory{Nodes: plan.Nodes}).InDatacenter(planned[i]))
		if got := len(byDC[dcs[i]]); got != want {
			bad("%s has %s, where %s of the spec has %d", dcs[i], plain.Count(got, "node"), planned[i], want)
		}
		names[planned[i]] = dcs[i]
	}
	if len(misfit.Problems) > 0 {
		return misfit
	}
	plan.ClusterName, plan.Snitch = nodes[0].server.ClusterName, shortClass(nodes[0].server.Snitch)
	taken := map[string]int{}
	for _, n := range plan.Nodes {
		dc := names[n.Datacenter]
		f := byDC[dc][taken[dc]]
		taken[dc]++
		inv.CCM.Names[n.Name] = f.name
		n.Datacenter, n.Rack = dc, f.rack
		n.Tokens = tokensOf(f.server)
		n.PrivateAddress = cmp.Or(f.server.RPC, f.server.Listen)
		n.PublicAddress = cmp.Or(f.server.Broadcast, f.server.Listen)
		n.Ports.Storage, n.Ports.Native = cmp.Or(f.server.StoragePort, n.Ports.Storage), cmp.Or(f.server.NativePort, n.Ports.Native)
		n.Ports.Jolokia = jolokiaPort
		n.Ports.JMX, _ = strconv.Atoi(f.conf.JMXPort) // 0 is off
		n.Layout = layout(filepath.Join(inv.CCM.ConfigDir, inv.CCM.Cluster, f.name))
		inv.Nodes = append(inv.Nodes, n)
	}
	plan.Nodes = slices.Clone(inv.Nodes)
	replication := map[string]int{}
	for dc, rf := range plan.Keyspace.Replication {
		replication[names[dc]] = rf
	}
	plan.Keyspace.Replication = replication
	plan.Stress.WriteDC, plan.Stress.ReadDC = names[plan.Stress.WriteDC], names[plan.Stress.ReadDC]
	return nil
}

// tokensOf lists the tokens that a node was given; none where it chooses itself.
func tokensOf(s serverConf) []string {
	if s.InitialToken.ShortTag() == "!!null" || s.InitialToken.Value == "" {
		return nil
	}
	var list []string
	for _, t := range strings.Split(s.InitialToken.Value, ",") {
		list = append(list, strings.TrimSpace(t))
	}
	return list
}

// where is a node's datacenter and rack, as its snitch will read them.
func where(root string, f found) (dc, rack string, err error) {
	properties := func(file string) (map[string]string, error) {
		return readProperties(filepath.Join(root, "conf", file))
	}
	switch snitch := shortClass(f.server.Snitch); snitch {
	case "PropertyFileSnitch":
		p, err := properties("cassandra-topology.properties")
		dc, rack, _ = strings.Cut(cmp.Or(p[cmp.Or(f.server.Broadcast, f.server.Listen)], p["default"]), ":")
		return dc, rack, err
	case "GossipingPropertyFileSnitch":
		p, err := properties("cassandra-rackdc.properties")
		return p["dc"], p["rack"], err
	case "SimpleSnitch":
		return "datacenter1", "rack1", nil
	default:
		return "", "", fmt.Errorf("%s has the snitch %s, whose names of datacenters crossring can't foretell", f.name, snitch)
	}
}

func readProperties(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := map[string]string{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if key, value, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			p[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return p, s.Err()
}
