package cluster

import (
	"fmt"

	"crossring/internal/deploy"
	"crossring/internal/places"
	"crossring/internal/state"
	"crossring/yamlgen"
)

// Targets renders the files of every node.
func Targets(w World, c Cluster, sw places.Software, fresh bool) ([]deploy.Target, error) {
	return TargetsWith(w, c, sw, fresh, nil)
}

// TargetsWith is targets with further arguments of the JVM.
func TargetsWith(w World, c Cluster, sw places.Software, fresh bool, jvm []string) ([]deploy.Target, error) {
	if err := c.Place.NoServers(c.Inv.Plan.Name, ""); err != nil {
		return nil, err
	}
	agentPassword, err := state.AgentPassword(c.Dir)
	if err != nil {
		return nil, err
	}
	var targets []deploy.Target
	for _, n := range c.Inv.Nodes {
		env := c.Place.Env(c.Rel, n, yamlgen.Env{
			ClassPath: sw.Jars.ClassPath, JammAgent: sw.Jars.Jamm, JolokiaAgent: sw.Jars.Jolokia, CDSArchive: sw.Archive, Java: sw.Java,
		})
		env.Fresh = fresh
		env.JVM = jvm
		env.AgentPassword = agentPassword
		if c.Inv.Plan.TLS != nil {
			if env.StorePassword, err = c.StorePassword(); err != nil {
				return nil, err
			}
		}
		files, err := yamlgen.Render(c.Inv, n, env)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", n.Name, err)
		}
		t := deploy.Target{Node: n, Host: c.Host(n)}
		for _, f := range files {
			t.Files = append(t.Files, deploy.File(f))
		}
		if c.Place.Files != nil {
			t.Files = c.Place.Files(c.Inv, n, t.Files)
		}
		targets = append(targets, t)
	}
	return targets, nil
}
