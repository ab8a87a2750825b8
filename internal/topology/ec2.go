package topology

import (
	"strconv"
	"strings"
	"time"
)

// EC2Plan is what of a Plan only EC2 has.
type EC2Plan struct {
	InstanceType string   `json:"instance_type"`
	Architecture string   `json:"architecture"` // x86_64 or arm64
	Image        EC2Image `json:"image"`
	SSHUser      string   `json:"ssh_user"`
	RootGB       int      `json:"root_gb"`
	// Volumes are made beside the root volume; empty is the instance's own disks.
	Volumes  []EC2Volume       `json:"volumes"`
	Key      string            `json:"key"`       // path of a public key, or "generated"
	VPC      string            `json:"vpc"`       // "default", "own", or "" for VPCs
	VPCs     map[string]string `json:"vpcs"`      // id by region
	PublicIP string            `json:"public_ip"` // elastic or ephemeral
	// OperatorCIDRs may reach SSH and CQL. Empty cannot be made.
	OperatorCIDRs []string `json:"operator_cidrs"`
	TTLSeconds    float64  `json:"ttl_seconds"`
	Owner         string   `json:"owner"`
	// HTTPTokens is "required" where the Cassandra version asks the metadata service
	// with a session token, "optional" where it can't.
	HTTPTokens string     `json:"http_tokens"`
	Mirror     string     `json:"cassandra_mirror"`
	Quotas     []EC2Quota `json:"quotas"`
}

// EC2Image says which image: one of SSM, Name with Owner, and IDs by region.
type EC2Image struct {
	SSM   string            `json:"ssm,omitempty"`
	Name  string            `json:"name,omitempty"`
	Owner string            `json:"owner,omitempty"`
	IDs   map[string]string `json:"ids,omitempty"`
}

// EC2Volume is an EBS volume of every node. IOPS and throughput 0 are the type's own.
type EC2Volume struct {
	Disk       string `json:"disk"`   // logical volume: fs1
	Device     string `json:"device"` // name that EC2 is given: /dev/sdf
	Type       string `json:"type"`
	SizeGB     int    `json:"size_gb"`
	IOPS       int    `json:"iops"`
	Throughput int    `json:"throughput"` // MB/s
}

// What a Quota counts.
const (
	QuotaElasticIPs = "elastic-ips"             // addresses of the region
	QuotaGroups     = "groups-per-interface"    // security groups of one node
	QuotaRules      = "inbound-rules-per-group" // of the fullest security group
	QuotaVCPUs      = "vcpus"                   // of the region's instances
	RulesPerGroup   = 60                        // EC2's default, which the groups are divided by
	GroupsPerNode   = 5                         // EC2's default
)

// EC2Quota is how much of a limit of the account the plan needs in a region. Limit
// is EC2's default for it, 0 where there is no general one.
type EC2Quota struct {
	Region string `json:"region"`
	Quota  string `json:"quota"`
	Need   int    `json:"need"`
	Limit  int    `json:"default_limit"`
	// Exceeds says that Need is more than Limit: an account that never asked for more
	// can't make it.
	Exceeds bool `json:"exceeds"`
}

// EC2 is what the EC2 provider alone knows of its cluster.
type EC2 struct {
	Run       string             `json:"run"` // random; in the tags of everything that was made
	ExpiresAt time.Time          `json:"expires_at"`
	SSHUser   string             `json:"ssh_user"`
	KeyFile   string             `json:"key_file"` // private key, where it was generated
	Hosts     map[string]EC2Host `json:"hosts"`    // by node name
}

// EC2Host is the instance of a node.
type EC2Host struct {
	Instance   string            `json:"instance"`
	Allocation string            `json:"allocation"` // of the Elastic IP; "" when it has none
	Volumes    map[string]string `json:"volumes"`    // volume id by logical volume
}

// EC2Names are the datacenter and rack that the Ec2 snitches give a node in an
// availability zone such as us-east-1a. Standard: us-east-1 and us-east-1a. Any other
// scheme is legacy: us-east and 1a, where the datacenter loses "-1" but keeps any
// other number.
func EC2Names(scheme, zone string) (datacenter, rack string) {
	if zone == "" {
		return "", ""
	}
	datacenter = zone[:len(zone)-1]
	if scheme == "standard" {
		return datacenter, zone
	}
	return strings.TrimSuffix(datacenter, "-1"), zone[strings.LastIndex(zone, "-")+1:]
}

// VCPUs is how many virtual processors an instance type has, by the rule that its size
// follows: large is 2, xlarge 4, 2xlarge 8. A few old types are off the rule. 0 is a
// size that has none, metal above all.
func VCPUs(instanceType string) int {
	family, size, _ := strings.Cut(instanceType, ".")
	switch size {
	case "large":
		return 2
	case "xlarge":
		return 4
	case "nano", "micro", "small", "medium":
		if strings.HasPrefix(family, "t") && !(family == "t2" && size != "medium") && family != "t1" {
			return 2
		}
		return 1
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge"))
	if err != nil || !strings.HasSuffix(size, "xlarge") {
		return 0
	}
	return 4 * n
}

// Operators are the networks that may reach the machines; none where the provider asks
// for none.
func (p Plan) Operators() []string {
	if p.EC2 == nil {
		return nil
	}
	return p.EC2.OperatorCIDRs
}

// Run is the id that the tags of what was made bear; "" where nothing bears tags.
func (inv Inventory) Run() string {
	if inv.EC2 == nil {
		return ""
	}
	return inv.EC2.Run
}
