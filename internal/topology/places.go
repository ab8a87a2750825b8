package topology

// How many nodes the providers of one computer have addresses for.
const (
	LocalRegions   = 100 // regions of a local cluster
	LocalNodes     = 254 // nodes of each of them, by the number in their name
	CCMNodes       = 64  // nodes of a cluster by ccm
	ContainerNodes = 200 // nodes of a cluster in containers
)

// OneComputer says whether all nodes of a plan, and the load, share a computer.
func (p Plan) OneComputer() bool {
	switch p.Provider {
	case "local", "ccm", "containers":
		return true
	}
	return false
}

// CCMPlan is what of a Plan only the ccm provider has.
type CCMPlan struct {
	Command string `json:"command"` // ccm itself: a path, or a name in PATH
	// Cluster is an existing cluster of ccm's that is taken over; "" makes one.
	Cluster string `json:"cluster,omitempty"`
	// ConfigDir is where ccm keeps that cluster; "" is ccm's own default.
	ConfigDir string `json:"config_dir,omitempty"`
	// Source is SourceCQL where no agent is to be put into the servers of that cluster, so
	// that the ring is read by CQL; "" is by JMX.
	Source string `json:"source,omitempty"`
}

// What the ring is read by.
const (
	SourceJMX = "jmx"
	SourceCQL = "cql"
)

// CCM is what the ccm provider alone knows of its cluster.
type CCM struct {
	Dir       string            `json:"dir"`        // state directory of the cluster
	Command   string            `json:"command"`    // absolute path of ccm
	ConfigDir string            `json:"config_dir"` // ccm's --config-dir
	Cluster   string            `json:"cluster"`    // ccm's name of the cluster
	Adopted   bool              `json:"adopted"`    // it was there before, and stays
	Names     map[string]string `json:"names"`      // ccm's name of each node: node1
	Java      string            `json:"java"`       // path of the java command
	Jolokia   string            `json:"jolokia"`    // path of the agent's jar
}

// ContainersPlan is what of a Plan only the containers provider has.
type ContainersPlan struct {
	Image string `json:"image"`
	// DockerHost is the address of a Docker API; "" is what docker would use.
	DockerHost string `json:"docker_host,omitempty"`
}

// Containers is what the containers provider alone knows of its cluster.
type Containers struct {
	ID         string            `json:"id"`  // random; a label of everything that was made
	Dir        string            `json:"dir"` // state directory of the cluster
	DockerHost string            `json:"docker_host"`
	Network    string            `json:"network"` // name
	IDs        map[string]string `json:"ids"`     // container id by node name
}

// Attached is what crossring alone knows of a cluster that somebody else made.
type Attached struct {
	Dir           string   `json:"dir"`            // state directory of the cluster
	ContactPoints []string `json:"contact_points"` // address:port each, as they were given
	User          string   `json:"user"`           // role to log in as; "" is none
	// KeyspaceFound says that crossring's keyspace was there before; false is that crossring
	// is the first to make it.
	KeyspaceFound bool `json:"keyspace_found"`
}

// User is the role that clients log in to the nodes as; "" where they ask for none.
func (inv Inventory) User() string {
	if inv.Attached == nil {
		return ""
	}
	return inv.Attached.User
}

// Foreign says that somebody else made the cluster: nothing of it is crossring's but a
// keyspace, which may have been there before.
func (inv Inventory) Foreign() (foreign, keyspaceFound bool) {
	return inv.Attached != nil, inv.Attached != nil && inv.Attached.KeyspaceFound
}
