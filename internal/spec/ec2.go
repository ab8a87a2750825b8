package spec

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// EC2 is what provider ec2 alone needs to know.
type EC2 struct {
	InstanceType string `json:"instance_type"`
	Architecture string `json:"architecture"` // x86_64 or arm64
	AMI          AMI    `json:"ami"`
	SSHUser      string `json:"ssh_user"` // of the image
	RootGB       int    `json:"root_gb"`  // size of the root volume
	// Volumes: nil is the instance's own disks.
	Volumes *Volumes `json:"volumes"`
	// Key is the path of a public key, or "generated".
	Key string `json:"key"`
	// VPC is "default" or "own" for all regions; or, when it is empty, VPCs has the
	// one of each region.
	VPC      string            `json:"vpc"`
	VPCs     map[string]string `json:"vpcs"`
	PublicIP string            `json:"public_ip"` // elastic or ephemeral
	// OperatorCIDR lists the networks that may reach SSH and CQL; empty leaves it to
	// the command line.
	OperatorCIDR []string `json:"operator_cidr"`
	TTL          string   `json:"ttl"`   // as time.ParseDuration reads it
	Owner        string   `json:"owner"` // of the tags; empty leaves it to the command line
	// CassandraMirror is a URL below which the hosts find Cassandra's tarballs.
	CassandraMirror string `json:"cassandra_mirror"`
}

// AMI says which image: exactly one of SSM, Name and IDs.
type AMI struct {
	SSM   string            `json:"ssm"`   // a parameter of Systems Manager that holds an id
	Name  string            `json:"name"`  // a pattern; the newest image of Owner that matches
	Owner string            `json:"owner"` // account number or alias, with Name
	IDs   map[string]string `json:"ids"`   // by region
}

// Volumes are the two EBS volumes of a node.
type Volumes struct {
	Data      Volume `json:"data"`
	Commitlog Volume `json:"commitlog"`
}

// Volume is one EBS volume. IOPS and throughput 0 are the type's own.
type Volume struct {
	Type       string `json:"type"`
	SizeGB     int    `json:"size_gb"`
	IOPS       int    `json:"iops"`
	Throughput int    `json:"throughput"` // MB/s
}

// Values of EC2.Key, EC2.VPC and EC2.PublicIP.
const (
	KeyGenerated = "generated"
	VPCDefault   = "default"
	VPCOwn       = "own"
	Elastic      = "elastic"
	Ephemeral    = "ephemeral"
)

// DebianOwner is the account that publishes Debian's images.
const DebianOwner = "136693071363"

// defaultsEC2 fills in what is left out.
func defaultsEC2(e *EC2) {
	def(&e.InstanceType, "m5d.4xlarge")
	def(&e.Architecture, "x86_64")
	if e.AMI.SSM == "" && e.AMI.Name == "" && len(e.AMI.IDs) == 0 {
		debian := map[string]string{"x86_64": "debian-12-amd64-*", "arm64": "debian-12-arm64-*"}
		e.AMI.Name = debian[e.Architecture]
		def(&e.AMI.Owner, DebianOwner)
	}
	def(&e.SSHUser, "admin")
	def(&e.RootGB, 16)
	def(&e.Key, KeyGenerated)
	if len(e.VPCs) == 0 {
		def(&e.VPC, VPCDefault)
	}
	def(&e.PublicIP, Elastic)
	def(&e.TTL, (8 * time.Hour).String())
	if e.Volumes != nil {
		def(&e.Volumes.Data.Type, "gp3")
		def(&e.Volumes.Commitlog.Type, "gp3")
	}
}

var (
	instanceTypePattern = regexp.MustCompile(`^[a-z0-9-]+\.[a-z0-9-]+$`)
	amiPattern          = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)
	vpcPattern          = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	userPattern         = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	ownerPattern        = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{1,128}$`)
	volumeTypes         = []string{"gp3", "gp2", "io1", "io2", "st1"}
)

// ec2 reads the block.
func (d *decoder) ec2(n *yaml.Node, path string, s *Spec) {
	e := &EC2{}
	s.EC2 = e
	group(
		field{"instance_type", text(&e.InstanceType)},
		field{"architecture", text(&e.Architecture)},
		field{"ami", group(
			field{"ssm", text(&e.AMI.SSM)},
			field{"name", text(&e.AMI.Name)},
			field{"owner", versionText(&e.AMI.Owner)},
			field{"ids", texts(&e.AMI.IDs)},
		)},
		field{"ssh_user", text(&e.SSHUser)},
		field{"root_gb", whole(&e.RootGB, 1)},
		field{"volumes", func(d *decoder, n *yaml.Node, path string) { d.volumes(n, path, e) }},
		field{"key", text(&e.Key)},
		field{"vpc", func(d *decoder, n *yaml.Node, path string) {
			if n.Kind == yaml.MappingNode {
				texts(&e.VPCs)(d, n, path)
				return
			}
			text(&e.VPC)(d, n, path)
		}},
		field{"public_ip", text(&e.PublicIP)},
		field{"operator_cidr", func(d *decoder, n *yaml.Node, path string) { d.networks(n, path, e) }},
		field{"ttl", duration(&e.TTL)},
		field{"owner", text(&e.Owner)},
		field{"cassandra_mirror", text(&e.CassandraMirror)},
	)(d, n, path)
}

func (d *decoder) volumes(n *yaml.Node, path string, e *EC2) {
	if n.Kind != yaml.MappingNode {
		var word string
		if text(&word)(d, n, path); !d.reported(path) && word != "local" {
			d.problem(path, "%q is neither local nor a mapping of data and commitlog", word)
		}
		return
	}
	e.Volumes = &Volumes{}
	volume := func(v *Volume) reader {
		return group(
			field{"type", text(&v.Type)},
			field{"size_gb", whole(&v.SizeGB, 1)},
			field{"iops", whole(&v.IOPS, 1)},
			field{"throughput", whole(&v.Throughput, 1)},
		)
	}
	group(
		field{"data", volume(&e.Volumes.Data)},
		field{"commitlog", volume(&e.Volumes.Commitlog)},
	)(d, n, path)
}

// networks reads one network, or a list of them.
func (d *decoder) networks(n *yaml.Node, path string, e *EC2) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = indexed(path, i)
			d.source.lines[at] = item.Line
		}
		var cidr string
		text(&cidr)(d, item, at)
		e.OperatorCIDR = append(e.OperatorCIDR, cidr)
	}
}

// texts reads a mapping of text to text.
func texts(to *map[string]string) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		values := map[string]string{}
		d.pairs(n, path, func(key string, value *yaml.Node, at string) {
			var v string
			if text(&v)(d, value, at); v != "" {
				values[key] = v
			}
		})
		if len(values) > 0 {
			*to = values
		}
	}
}

// checker reports what is wrong with a key.
type checker struct {
	bad     func(path, format string, args ...any)
	oneOf   func(path, value string, known []string)
	match   func(path, value string, pattern *regexp.Regexp, want string)
	between func(path string, value, least, most int64)
}

func checkEC2(s Spec, c checker) {
	e := *s.EC2
	c.match("ec2.instance_type", e.InstanceType, instanceTypePattern, "an instance type such as m5d.4xlarge")
	c.oneOf("ec2.architecture", e.Architecture, []string{"x86_64", "arm64"})
	checkAMI(s, c)
	c.match("ec2.ssh_user", e.SSHUser, userPattern, "the name of a user")
	c.between("ec2.root_gb", int64(e.RootGB), 8, 16384)
	if v := e.Volumes; v != nil {
		checkVolume("ec2.volumes.data", v.Data, c)
		checkVolume("ec2.volumes.commitlog", v.Commitlog, c)
	}
	if e.VPC != "" {
		c.oneOf("ec2.vpc", e.VPC, []string{VPCDefault, VPCOwn})
	} else {
		byRegion(s, "ec2.vpc", e.VPCs, vpcPattern, "the id of a VPC", c)
	}
	c.oneOf("ec2.public_ip", e.PublicIP, []string{Elastic, Ephemeral})
	for i, cidr := range e.OperatorCIDR {
		at := "ec2.operator_cidr"
		if s.source != nil && s.source.lines[indexed(at, i)] > 0 {
			at = indexed(at, i)
		}
		if err := CheckCIDR(cidr); err != "" {
			c.bad(at, "%s", err)
		}
	}
	if ttl, err := time.ParseDuration(e.TTL); err != nil || ttl < 10*time.Minute || ttl > 30*24*time.Hour {
		c.bad("ec2.ttl", "%q is not a duration between 10m and 720h", e.TTL)
	}
	if e.Owner != "" {
		c.match("ec2.owner", e.Owner, ownerPattern, "a name that a tag can hold")
	}
	if m := e.CassandraMirror; m != "" && !isURL(m) {
		c.bad("ec2.cassandra_mirror", "%q is not a URL of http or https", m)
	}
}

func isURL(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }

// CheckCIDR says what is wrong with a network of the operator's, "" if nothing.
func CheckCIDR(cidr string) string {
	prefix, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil || !prefix.Addr().Is4():
		return `"` + cidr + `" is not an IPv4 network, as ADDRESS/32 is for one computer`
	case prefix.Masked() != prefix:
		return cidr + " has bits set outside its mask: the network is " + prefix.Masked().String()
	}
	for _, n := range nobodys {
		if n.network.Contains(prefix.Addr()) && n.network.Bits() <= prefix.Bits() {
			return cidr + " " + n.why + ": put your own address there, which curl https://checkip.amazonaws.com shows, as ADDRESS/32"
		}
	}
	return ""
}

// nobodys are networks from which nobody comes to a host on EC2.
var nobodys = []struct {
	network netip.Prefix
	why     string
}{
	{netip.MustParsePrefix("192.0.2.0/24"), "is kept for documentation, and nobody's"},
	{netip.MustParsePrefix("198.51.100.0/24"), "is kept for documentation, and nobody's"},
	{netip.MustParsePrefix("203.0.113.0/24"), "is kept for documentation, and nobody's"},
	{netip.MustParsePrefix("127.0.0.0/8"), "does not leave a computer"},
	{netip.MustParsePrefix("169.254.0.0/16"), "does not leave a network"},
	{netip.MustParsePrefix("224.0.0.0/4"), "is of groups, and nobody's address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "is reserved, and nobody's"},
	{netip.MustParsePrefix("0.0.0.0/8"), "is nobody's"},
}

func checkAMI(s Spec, c checker) {
	a := s.EC2.AMI
	given := 0
	for _, is := range []bool{a.SSM != "", a.Name != "", len(a.IDs) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		c.bad("ec2.ami", "takes one of ssm, name with owner, and ids")
		return
	}
	switch {
	case a.Name != "" && a.Owner == "":
		c.bad("ec2.ami", "a name needs the owner too: anybody may publish an image of that name")
	case a.Name == "" && a.Owner != "":
		c.bad("ec2.ami.owner", "goes with name")
	case a.SSM != "" && !strings.HasPrefix(a.SSM, "/"):
		c.bad("ec2.ami.ssm", "%q is not the path of a parameter: it starts with /", a.SSM)
	case len(a.IDs) > 0:
		byRegion(s, "ec2.ami.ids", a.IDs, amiPattern, "the id of an image", c)
	}
}

// byRegion checks a mapping that has a value for each region of the spec, and no
// other.
func byRegion(s Spec, path string, values map[string]string, pattern *regexp.Regexp, want string, c checker) {
	regions := map[string]bool{}
	for _, r := range s.Regions {
		if r.Region != "" && !regions[r.Region] && values[r.Region] == "" {
			c.bad(path, "has none for %s", r.Region)
		}
		regions[r.Region] = true
	}
	for _, region := range slices.Sorted(maps.Keys(values)) {
		if !regions[region] {
			c.bad(path+"."+region, "no node is in this region")
		}
		c.match(path+"."+region, values[region], pattern, want)
	}
}

func checkVolume(path string, v Volume, c checker) {
	c.oneOf(path+".type", v.Type, volumeTypes)
	if v.SizeGB == 0 {
		c.bad(path+".size_gb", "is missing")
	} else {
		c.between(path+".size_gb", int64(v.SizeGB), 1, 65536)
	}
	if v.IOPS != 0 && (v.Type == "gp2" || v.Type == "st1") {
		c.bad(path+".iops", "%s volumes have no choice of it", v.Type)
	}
	if v.IOPS == 0 && (v.Type == "io1" || v.Type == "io2") {
		c.bad(path+".iops", "is missing: %s volumes have no default", v.Type)
	}
	if v.Throughput != 0 {
		if v.Type != "gp3" {
			c.bad(path+".throughput", "only gp3 volumes have a choice of it")
		} else {
			c.between(path+".throughput", int64(v.Throughput), 125, 2000)
		}
	}
	if v.Type == "gp3" && v.IOPS != 0 {
		c.between(path+".iops", int64(v.IOPS), 3000, 80000)
	}
}

// Operators are the networks that may reach the cluster's machines, as the spec has
// them; ok is false where the provider asks for none.
func (s Spec) Operators() (cidrs []string, ok bool) {
	if s.EC2 == nil {
		return nil, false
	}
	return s.EC2.OperatorCIDR, true
}

// SetOperators puts networks in place of the spec's. What others have of the spec stays
// as it is.
func (s *Spec) SetOperators(cidrs []string) {
	e := EC2{}
	if s.EC2 != nil {
		e = *s.EC2
	}
	e.OperatorCIDR = cidrs
	s.EC2 = &e
}
