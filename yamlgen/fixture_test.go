package yamlgen

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"testing"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// gk is the experiment's ring as it stands on EC2: one node in each of two
// regions, data on fs1, commit log and saved caches on fs2.
func gk(version string) topology.Inventory {
	layout := topology.Layout{
		Root: "/var/lib/cassandra", Conf: "/etc/cassandra",
		Data: "/fs/fs1/cassandra/data", Commitlog: "/fs/fs2/cassandra/commitlog", SavedCaches: "/fs/fs2/cassandra/saved_caches",
		Hints: "/fs/fs1/cassandra/hints", CDC: "/fs/fs2/cassandra/cdc_raw",
		Log: "/var/log/cassandra", Tmp: "/var/lib/cassandra/tmp", Home: "/var/lib/cassandra/home",
	}
	nodes := []topology.Node{
		{Name: "us-east-1-1", Index: 1, Region: "us-east-1", Zone: "us-east-1a", Datacenter: "us-east", Rack: "1a",
			Tokens: []string{"0"}, Seed: true, PrivateAddress: "10.0.1.11", PublicAddress: "192.0.2.11"},
		{Name: "us-west-2-1", Index: 2, Region: "us-west-2", Zone: "us-west-2a", Datacenter: "us-west-2", Rack: "2a",
			Tokens: []string{"169417178424467235000914166253263322299"}, Seed: true, PrivateAddress: "10.0.2.22", PublicAddress: "198.51.100.22"},
	}
	for i := range nodes {
		nodes[i].Layout = layout
		nodes[i].Ports = topology.DefaultPorts()
	}
	return topology.Inventory{Schema: topology.Schema, Nodes: nodes, Plan: topology.Plan{
		Schema: topology.Schema, Name: "gk-cluster", ClusterName: "GK Cluster", Provider: "ec2", Version: version,
		Partitioner: "RandomPartitioner", Snitch: "Ec2MultiRegionSnitch", NamingScheme: "legacy", NumTokens: 1, HeapMB: 8192,
		Nodes: nodes,
	}}
}

func gkEnv() Env {
	return Env{
		ClassPath:    []string{"/opt/cassandra/lib/cassandra-all.jar", "/opt/cassandra/lib/netty.jar"},
		JammAgent:    "/opt/cassandra/lib/jamm.jar",
		JolokiaAgent: "/opt/cassandra/lib/jolokia-agent.jar", AgentPassword: "sesame",
		Fresh: true,
	}
}

// local is the same ring as the local provider makes it, in dir.
func local(version, dir string) topology.Inventory {
	inv := gk(version)
	inv.Plan.Provider, inv.Plan.HeapMB = "local", 512
	for i := range inv.Nodes {
		n := &inv.Nodes[i]
		root := path.Join(dir, n.Name)
		n.PrivateAddress, n.PublicAddress = []string{"127.9.2.1", "127.9.3.1"}[i], []string{"127.9.102.1", "127.9.103.1"}[i]
		n.Ports.Metadata, n.Ports.Thrift = 8999, 0
		n.Layout = topology.Layout{
			Root: root, Conf: root + "/conf", Data: root + "/fs1/data", Commitlog: root + "/fs2/commitlog", SavedCaches: root + "/fs2/saved_caches",
			Hints: root + "/fs1/hints", CDC: root + "/fs2/cdc_raw", Log: root + "/log", Tmp: root + "/tmp", Home: root + "/home",
		}
	}
	return inv
}

func render(t *testing.T, inv topology.Inventory, node topology.Node, env Env) map[string]string {
	t.Helper()
	files, err := Render(inv, node, env)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]string{}
	for _, f := range files {
		if path.Dir(f.Path) != node.Layout.Conf {
			t.Errorf("%s is not in %s", f.Path, node.Layout.Conf)
		}
		want := fs.FileMode(0o644)
		switch name := path.Base(f.Path); {
		case !slices.Contains([]string{CassandraYAML, AgentConfig, JMXPassword, JMXAccess, NodetoolMain}, name):
		case inv.Plan.Provider == "ec2", inv.Plan.Provider == "hosts":
			want = 0o640 // root's, and read by the server's group
		default:
			want = 0o600
		}
		if f.Mode != want {
			t.Errorf("%s has mode %o, want %o", f.Path, f.Mode, want)
		}
		if env.AgentPassword != "" && f.Mode&0o007 != 0 && bytes.Contains(f.Data, []byte(env.AgentPassword)) {
			t.Errorf("%s has the agent's password in it, and mode %o", f.Path, f.Mode)
		}
		byName[path.Base(f.Path)] = string(f.Data)
	}
	return byName
}

func eachRelease(t *testing.T, f func(t *testing.T, rel release.Release)) {
	t.Helper()
	for _, rel := range release.All() {
		t.Run(rel.Series, func(t *testing.T) { f(t, rel) })
	}
}
