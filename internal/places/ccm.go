package places

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"crossring/internal/deploy"
	"crossring/internal/release"
	"crossring/internal/safely"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/ccm"
	"crossring/provision/local"
	"crossring/provision/local/procs"
	"crossring/yamlgen"
)

// ccmPlace is Cassandra Cluster Manager, on this computer.
func ccmPlace(d Deps) Place {
	host := func(inv topology.Inventory, n topology.Node) ccm.Host { return ccm.Host{Inventory: inv, Node: n} }
	return Place{
		Name: "ccm", Makes: "ccm's cluster and its nodes",
		// Its processes are found as local ones are.
		Needs:     func() error { return procs.NeedLinux("provider ccm", local.Instead) },
		Ready:     ccm.Ready,
		Processes: true,
		OwnDisks:  func(inv topology.Inventory) bool { return inv.CCM != nil && !inv.CCM.Adopted },
		Maker: func(_ release.Release, sw Software) provision.Provider {
			return ccm.Provider{
				StateDir: d.StateDir, Home: d.Home, Java: sw.Java, Jolokia: sw.Jars.Jolokia, Log: d.Log, Say: d.Say,
				Install: func(inv topology.Inventory) (ccm.Install, error) { return ccmInstall(inv, sw) },
			}
		},
		Server: func(inv topology.Inventory, _ release.Release, n topology.Node) deploy.Host { return host(inv, n) },
		// ccm has JMX on for good, for its own nodetool.
		Env: func(_ release.Release, _ topology.Node, env yamlgen.Env) yamlgen.Env {
			env.JMXSecret = true
			return env
		},
		Files: ccmFiles,
		Attach: func(ctx context.Context, inv topology.Inventory, n topology.Node) error {
			if !inv.CCM.Adopted {
				return nil
			}
			config, err := attachConfig(inv, n)
			if err != nil {
				return err
			}
			return host(inv, n).Attach(ctx, config)
		},
		Agentless: func(inv topology.Inventory) bool {
			return inv.Plan.CCM != nil && inv.Plan.CCM.Source == topology.SourceCQL
		},
		FreePorts: local.Provider{}.CheckPorts,
		DialFrom:  fromAddress,
		// Nodes of ccm have no network of crossring's between them at all.
		Loopback: func(inv topology.Inventory, n topology.Node) bool {
			return hasOther(inv, n, func(topology.Node) bool { return true })
		},
	}
}

// ccmInstall is the installation that ccm's nodes run on. Its cassandra.yaml is that
// of the first node; what differs between nodes ccm puts in.
func ccmInstall(inv topology.Inventory, sw Software) (ccm.Install, error) {
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return ccm.Install{}, err
	}
	i := ccm.Install{
		Version: rel.Version, Java: sw.Java, Main: rel.Main, Nodetool: rel.Nodetool,
		ClassPath: sw.Jars.ClassPath, Secrets: map[string][]byte{},
	}
	modules := rel.ModuleArgs()
	i.JVM = append(modules, "-XX:+UseParallelGC", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true", "-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true")
	i.JVM = append(i.JVM, rel.JVM...)
	if rel.Jamm {
		i.Jamm = sw.Jars.Jamm
		i.JVM = append(i.JVM, "--add-exports="+release.ModernExportsTo)
	}
	i.Tools = append(append(append([]string{}, rel.NodetoolArgs...), modules...), "-Xmx128m", "-XX:-UsePerfData", "-XX:+UseSerialGC",
		"-XX:TieredStopAtLevel=1", "-Dlogback.configurationFile=logback-tools.xml")
	inv.Plan.TLS = nil // keys are a node's own, and stand in its own file
	password, err := state.AgentPassword(inv.CCM.Dir)
	if err != nil {
		return i, err
	}
	rendered, err := yamlgen.Render(inv, inv.Nodes[0], yamlgen.Env{ClassPath: sw.Jars.ClassPath, Fresh: true, AgentPassword: password, JMXSecret: true})
	if err != nil {
		return i, err
	}
	for _, f := range rendered {
		switch name := filepath.Base(f.Path); name {
		case yamlgen.JMXPassword, yamlgen.JMXAccess, yamlgen.NodetoolMain:
			i.Secrets[name] = f.Data
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
func ccmFiles(inv topology.Inventory, n topology.Node, files []deploy.File) []deploy.File {
	if inv.CCM.Adopted {
		return nil
	}
	var b strings.Builder
	for _, m := range inv.Nodes {
		fmt.Fprintf(&b, "%s=%s:%s\n", m.PublicAddress, m.Datacenter, m.Rack)
	}
	return append(files, deploy.File{Path: filepath.Join(n.Layout.Conf, "cassandra-topology.properties"), Data: []byte(b.String()), Mode: 0o644})
}

// attachConfig writes what the agent of a node that was started without is configured by,
// into crossring's own directory of the cluster, and returns its path.
func attachConfig(inv topology.Inventory, n topology.Node) (string, error) {
	password, err := state.AgentPassword(inv.CCM.Dir)
	if err != nil {
		return "", err
	}
	n.Layout.Conf = filepath.Join(inv.CCM.Dir, "agents", n.Name)
	files, err := yamlgen.AgentFiles(inv, n, password)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(n.Layout.Conf, 0o700); err != nil {
		return "", fmt.Errorf("configure the agent of %s: %w", n.Name, err)
	}
	for _, f := range files {
		if err := safely.Write(f.Path, f.Data, f.Mode); err != nil {
			return "", fmt.Errorf("configure the agent of %s: %w", n.Name, err)
		}
	}
	return files[0].Path, nil
}
