package spec

import (
	"regexp"

	"go.yaml.in/yaml/v4"
)

// CCM is what provider ccm alone needs to know.
type CCM struct {
	Command string `json:"command"` // ccm itself: a path, or a name in PATH
	// Cluster is a cluster of ccm's that is there already; empty makes one.
	Cluster string `json:"cluster"`
	// ConfigDir is where ccm keeps that cluster; empty is ccm's own default.
	ConfigDir string `json:"config_dir"`
	// Source is what its ring is read by, SourceJMX or SourceCQL; empty is SourceJMX.
	Source string `json:"source"`
}

// Containers is what provider containers alone needs to know.
type Containers struct {
	Image string `json:"image"` // empty leaves it to the plan, which knows the version in full
	// DockerHost is the address of a Docker API; empty is what docker itself would use.
	DockerHost string `json:"docker_host"`
}

// What the ring of a cluster that was there already is read by.
const (
	SourceJMX = "jmx" // the agents that are put into its servers
	SourceCQL = "cql" // its system tables; no agent is put in
)

var (
	// ccmClusterPattern is ccm's own.
	ccmClusterPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	// imagePattern is loose: the registry judges. It keeps out what is no reference at all.
	imagePattern      = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}$`)
	dockerHostPattern = regexp.MustCompile(`^(unix:///|tcp://|https?://)[^ ]+$`)
)

func defaultsPlaces(s *Spec) {
	if s.CCM != nil || s.Provider == "ccm" {
		c := CCM{}
		if s.CCM != nil {
			c = *s.CCM
		}
		def(&c.Command, "ccm")
		s.CCM = &c
	}
	if s.Containers != nil || s.Provider == "containers" {
		c := Containers{}
		if s.Containers != nil {
			c = *s.Containers
		}
		s.Containers = &c
	}
}

// ccm reads the block.
func (d *decoder) ccm(n *yaml.Node, path string, s *Spec) {
	s.CCM = &CCM{}
	group(
		field{"command", text(&s.CCM.Command)},
		field{"cluster", text(&s.CCM.Cluster)},
		field{"config_dir", text(&s.CCM.ConfigDir)},
		field{"source", text(&s.CCM.Source)},
	)(d, n, path)
}

// containers reads the block.
func (d *decoder) containers(n *yaml.Node, path string, s *Spec) {
	s.Containers = &Containers{}
	group(
		field{"image", text(&s.Containers.Image)},
		field{"docker_host", text(&s.Containers.DockerHost)},
	)(d, n, path)
}

func checkPlaces(s Spec, c checker) {
	if s.CCM != nil {
		if s.CCM.Cluster != "" {
			c.match("ccm.cluster", s.CCM.Cluster, ccmClusterPattern, "a name that ccm takes: letters, digits, _ and -")
		} else if s.CCM.Source != "" {
			c.bad("ccm.source", "is for ccm.cluster, and there is none: the nodes of a cluster that crossring makes have their agents from the start")
		}
		if s.CCM.Source != "" {
			c.oneOf("ccm.source", s.CCM.Source, []string{SourceJMX, SourceCQL})
		}
		if s.CCM.Cluster == "" && s.CCM.ConfigDir != "" {
			c.bad("ccm.config_dir", "says where ccm.cluster is, and there is none: a cluster that crossring makes is kept in its state directory")
		}
	}
	if s.Containers != nil {
		if s.Containers.Image != "" {
			c.match("containers.image", s.Containers.Image, imagePattern, "the name of an image")
		}
		if s.Containers.DockerHost != "" {
			c.match("containers.docker_host", s.Containers.DockerHost, dockerHostPattern, "the address of a Docker API such as unix:///run/podman/podman.sock")
		}
	}
}

// Elsewhere is what a spec says of the places of others that its nodes are in: the
// Docker API of its containers, and the cluster of ccm's that it takes over; "" is none.
func (s Spec) Elsewhere() (dockerHost, taken string) {
	if s.Containers != nil {
		dockerHost = s.Containers.DockerHost
	}
	if s.CCM != nil {
		taken = s.CCM.Cluster
	}
	return dockerHost, taken
}
