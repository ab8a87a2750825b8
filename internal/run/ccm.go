package run

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"crossring/internal/deploy"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision/ccm"
	"crossring/yamlgen"
)

// ccm is the provider of clusters that Cassandra Cluster Manager makes.
func (w World) ccm(sw software) ccm.Provider {
	return ccm.Provider{
		StateDir: w.StateDir, Home: w.Home, Java: sw.java, Jolokia: sw.jars.Jolokia, Log: w.Log, Say: w.Say,
		Install: func(inv topology.Inventory) (ccm.Install, error) { return ccmInstall(inv, sw) },
	}
}

// ccmInstall is the installation that ccm's nodes run on. Its cassandra.yaml is that
// of the first node; what differs between nodes ccm puts in.
func ccmInstall(inv topology.Inventory, sw software) (ccm.Install, error) {
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return ccm.Install{}, err
	}
	i := ccm.Install{
		Version: rel.Version, Java: sw.java, Main: rel.Main, Nodetool: rel.Nodetool,
		ClassPath: sw.jars.ClassPath, JMXByJVM: rel.JMXByJVM,
	}
	modules := rel.ModuleArgs()
	i.JVM = append(modules, "-XX:+UseParallelGC", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true", "-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true")
	i.JVM = append(i.JVM, rel.JVM...)
	if rel.Jamm {
		i.Jamm = sw.jars.Jamm
		i.JVM = append(i.JVM, "--add-exports="+release.ModernExportsTo)
	}
	i.Tools = append(append(append([]string{}, rel.NodetoolArgs...), modules...), "-Xmx128m", "-XX:-UsePerfData", "-XX:+UseSerialGC",
		"-XX:TieredStopAtLevel=1", "-Dlogback.configurationFile=logback-tools.xml")
	inv.Plan.TLS = nil // keys are a node's own, and stand in its own file
	rendered, err := yamlgen.Render(inv, inv.Nodes[0], yamlgen.Env{ClassPath: sw.jars.ClassPath, Fresh: true})
	if err != nil {
		return i, err
	}
	for _, f := range rendered {
		switch name := filepath.Base(f.Path); name {
		case yamlgen.CassandraYAML:
			i.YAML = withoutBroadcast(f.Data)
		case "logback.xml", "log4j-server.properties":
			i.Log, i.LogFile = f.Data, name
			i.JVM = append(i.JVM, map[string]string{
				"logback.xml":             "-Dlogback.configurationFile=logback.xml",
				"log4j-server.properties": "-Dlog4j.configuration=log4j-server.properties",
			}[name])
		}
	}
	return i, nil
}

// withoutBroadcast leaves out the addresses that ccm does not set for each node: they
// are those that the node listens on.
func withoutBroadcast(doc []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(doc) {
		if !bytes.HasPrefix(line, []byte("broadcast_")) {
			out.Write(line)
		}
	}
	return out.Bytes()
}

// ccmFiles makes of a node's rendered files those that ccm's copy of it takes: none
// where the cluster was there before; and beside ours the list of all nodes' places,
// which ccm has written with racks of its own, and which the snitch falls back on.
func ccmFiles(c cluster, n topology.Node, files []deploy.File) []deploy.File {
	if c.inv.CCM.Adopted {
		return nil
	}
	var b strings.Builder
	for _, m := range c.inv.Nodes {
		fmt.Fprintf(&b, "%s=%s:%s\n", m.PublicAddress, m.Datacenter, m.Rack)
	}
	return append(files, deploy.File{Path: filepath.Join(n.Layout.Conf, "cassandra-topology.properties"), Data: []byte(b.String()), Mode: 0o644})
}

// attachAgents puts the agents that the ring is read through into servers that were
// started without: those of a ccm cluster that was there before.
func (w World) attachAgents(ctx context.Context, c cluster) error {
	if c.inv.CCM == nil || !c.inv.CCM.Adopted {
		return nil
	}
	return onEach(c.inv.Nodes, func(n topology.Node) error {
		return ccm.Host{Inventory: c.inv, Node: n}.Attach(ctx)
	})
}
