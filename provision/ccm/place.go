package ccm

import (
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// Nodes of a cluster that crossring makes are 127.252.K.1, 127.252.K.2 and so on:
// apart from local clusters, from ccm's own default of 127.0.0.1, and from one
// another. Their JMX is on 127.0.0.1, as ccm expects, at ports of the cluster's own.
const (
	octet       = 252
	networks    = 254 // K is from 1 to this
	firstJMX    = 10000
	jolokiaPort = 8778
)

// place gives a fresh cluster its addresses, ports and directories.
func (p Provider) place(plan topology.Plan, command string) (topology.Inventory, error) {
	if len(plan.Nodes) > topology.CCMNodes {
		return topology.Inventory{}, fmt.Errorf("place %s: the ccm provider has addresses for %d", plain.Count(len(plan.Nodes), "node"), topology.CCMNodes)
	}
	dir := state.Dir(p.StateDir, plan.Name)
	inv := topology.Inventory{Schema: topology.Schema, Plan: plan, CCM: &topology.CCM{
		Dir: dir, Command: command, ConfigDir: filepath.Join(dir, configDir), Cluster: plan.Name,
		Names: map[string]string{}, Java: p.Java, Jolokia: p.Jolokia,
	}}
	others, err := p.networksInUse()
	if err != nil {
		return inv, err
	}
	h := fnv.New32a()
	h.Write([]byte(dir))
	offset := int(h.Sum32() % networks)
	var taken error
	for i := range networks {
		k := 1 + (offset+i)%networks
		if others[k] {
			continue
		}
		inv.Nodes = nil
		for j, n := range plan.Nodes {
			name := "node" + strconv.Itoa(j+1)
			inv.CCM.Names[n.Name] = name
			n.PrivateAddress = fmt.Sprintf("127.%d.%d.%d", octet, k, j+1)
			n.PublicAddress = n.PrivateAddress
			n.Ports.JMX = firstJMX + k*topology.CCMNodes + j
			n.Layout = layout(filepath.Join(inv.CCM.ConfigDir, plan.Name, name))
			inv.Nodes = append(inv.Nodes, n)
		}
		if taken = free(inv.Nodes); taken == nil {
			return inv, nil
		}
	}
	return inv, fmt.Errorf("no free addresses in 127.%d.0.0/16: %w", octet, taken)
}

// networksInUse are those of the other clusters of this state directory, which may
// be stopped.
func (p Provider) networksInUse() (map[int]bool, error) {
	used := map[int]bool{}
	files, err := filepath.Glob(filepath.Join(p.StateDir, "clusters", "*", state.InventoryFile))
	if err != nil {
		return nil, fmt.Errorf("look for other clusters: %w", err)
	}
	for _, file := range files {
		inv, err := readInventory(filepath.Dir(file))
		if err != nil {
			continue // of another provider, or just being removed
		}
		for _, n := range inv.Nodes {
			if ip := net.ParseIP(n.PrivateAddress).To4(); ip != nil && ip[0] == 127 && ip[1] == octet {
				used[int(ip[2])] = true
			}
		}
	}
	return used, nil
}

// free binds every address that the nodes will listen on, and lets go again.
func free(nodes []topology.Node) error {
	for _, n := range nodes {
		at := []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports.JMX))}
		for _, port := range []int{n.Ports.Storage, n.Ports.Native, n.Ports.Thrift, n.Ports.Jolokia} {
			if port != 0 {
				at = append(at, net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)))
			}
		}
		for _, addr := range at {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return fmt.Errorf("address %s: %w", addr, err)
			}
			l.Close()
		}
	}
	return nil
}

// layout is where ccm keeps a node's files.
func layout(root string) topology.Layout {
	at := func(name string) string { return filepath.Join(root, name) }
	return topology.Layout{
		Root: root, Conf: at("conf"), Data: at("data0"), Commitlog: at("commitlogs"), SavedCaches: at("saved_caches"),
		Hints: at("hints"), CDC: at("cdc_raw"), Log: at("logs"), Tmp: at("tmp"), Home: at("home"),
	}
}

// clusterConf and nodeConf are what ccm writes down, as far as it matters here.
type clusterConf struct {
	Nodes   []string `yaml:"nodes"`
	Version string   `yaml:"cassandra_version"`
}

type nodeConf struct {
	Status     string `yaml:"status"`
	Datacenter string `yaml:"data_center"`
	JMXPort    string `yaml:"jmx_port"`
}

func readYAML(path string, to any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Load(data, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// whole says whether ccm still has all of a cluster: *BrokenError lists what it lacks.
func whole(inv topology.Inventory) error {
	c := inv.CCM
	broken := &BrokenError{Cluster: inv.Plan.Name, Adopted: c.Adopted}
	if c.Adopted {
		broken.Cluster = c.Cluster
	}
	dir := filepath.Join(c.ConfigDir, c.Cluster)
	var conf clusterConf
	if err := readYAML(filepath.Join(dir, "cluster.conf"), &conf); err != nil {
		broken.Problems = append(broken.Problems, err.Error())
		return broken
	}
	for _, n := range inv.Nodes {
		name := c.Names[n.Name]
		if !slices.Contains(conf.Nodes, name) {
			broken.Problems = append(broken.Problems, name+" is not in its cluster.conf")
			continue
		}
		for _, file := range []string{"node.conf", filepath.Join("conf", "cassandra.yaml")} {
			var any map[string]any
			if err := readYAML(filepath.Join(dir, name, file), &any); err != nil {
				broken.Problems = append(broken.Problems, err.Error())
			}
		}
	}
	for _, name := range conf.Nodes {
		if known := slices.ContainsFunc(inv.Nodes, func(n topology.Node) bool { return c.Names[n.Name] == name }); !known {
			broken.Problems = append(broken.Problems, name+" was added to it since")
		}
	}
	if len(broken.Problems) > 0 {
		return broken
	}
	return nil
}

// shortClass is a class without its package.
func shortClass(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
