package plan

import (
	"cmp"

	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// officialImage is the one that the Docker community keeps; its tags are versions.
const officialImage = "docker.io/library/cassandra:"

// places plans what the providers ccm and containers alone have.
func (b *builder) places(p *topology.Plan, rel release.Release) {
	if c := b.spec.CCM; p.Provider == "ccm" {
		if p.TLS != nil && c.Cluster != "" {
			b.problem("tls", "is not for a cluster that was there before: its files are not crossring's")
		}
		p.CCM = &topology.CCMPlan{Command: c.Command, Cluster: c.Cluster, ConfigDir: c.ConfigDir}
		if c.Source != spec.SourceJMX { // as in plans of before
			p.CCM.Source = c.Source
		}
	}
	if c := b.spec.Containers; p.Provider == "containers" {
		if c.Image == "" && rel.OldImage {
			b.problem("containers.image", "is missing: cassandra %s has no official image with the Java 11 that crossring's agent in the server needs", p.Version)
		}
		p.Containers = &topology.ContainersPlan{Image: cmp.Or(c.Image, officialImage+p.Version), DockerHost: c.DockerHost}
	}
}
