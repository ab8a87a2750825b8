package plan

import (
	"cmp"

	"crossring/internal/topology"
)

// officialImage is the one that the Docker community keeps; its tags are versions.
const officialImage = "docker.io/library/cassandra:"

// places plans what the providers ccm and containers alone have.
func (b *builder) places(p *topology.Plan) {
	if c := b.spec.CCM; p.Provider == "ccm" {
		p.CCM = &topology.CCMPlan{Command: c.Command, Cluster: c.Cluster, ConfigDir: c.ConfigDir}
	}
	if c := b.spec.Containers; p.Provider == "containers" {
		p.Containers = &topology.ContainersPlan{Image: cmp.Or(c.Image, officialImage+p.Version), DockerHost: c.DockerHost}
	}
}
