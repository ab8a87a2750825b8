package plan

import "crossring/internal/topology"

// The naming schemes of the Ec2 snitches, as ec2_naming_scheme has them.
const (
	Legacy   = "legacy"   // the only one before Cassandra 4.0
	Standard = "standard" // the default from 4.0 on
)

// Names are the datacenter and rack that the Ec2 snitches give a node in an
// availability zone such as us-east-1a. Standard: us-east-1 and us-east-1a. Legacy:
// us-east and 1a, where the datacenter loses "-1" but keeps any other number.
func Names(scheme, zone string) (datacenter, rack string) { return topology.EC2Names(scheme, zone) }
