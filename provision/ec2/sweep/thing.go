// Package sweep finds and removes what a cluster has: by the ledger of its making and by
// the tags that everything bears, until two looks in a row find nothing. It also tells
// the clusters of an account by their tags alone. What is asked of EC2 for that stands
// in provision/ec2; here is what follows from the answers.
package sweep

import (
	"fmt"
	"slices"
	"strings"
)

// Tags of everything that is made.
const (
	TagCluster = "crossring:cluster" // name of the cluster
	TagRun     = "crossring:run"     // random, of one making
	TagOwner   = "crossring:owner"
	TagExpires = "crossring:expires" // RFC 3339, UTC
	TagPart    = "crossring:part"    // which part of the cluster it is
)

// Types of things, as tags have them.
const (
	Instance  = "instance"
	ElasticIP = "elastic-ip"
	Interface = "network-interface"
	Volume    = "volume"
	Group     = "security-group"
	KeyPair   = "key-pair"
	Gateway   = "internet-gateway"
	Subnet    = "subnet"
	Table     = "route-table"
	VPC       = "vpc"
)

// order is in which order things are removed: what holds comes before what is held.
var order = []string{Instance, ElasticIP, Interface, Volume, Group, KeyPair, Gateway, Subnet, Table, VPC}

// Thing is one resource of a cluster.
type Thing struct {
	Region string `json:"region"`
	Type   string `json:"type"` // as tags have it: instance, elastic-ip, …
	ID     string `json:"id"`
	Part   string `json:"part"`
}

func (t Thing) String() string { return fmt.Sprintf("%s %s in %s", t.Type, t.ID, t.Region) }

// Lines lists things for people.
func Lines(things []Thing) string {
	lines := make([]string, len(things))
	for i, t := range things {
		lines[i] = t.String()
	}
	return strings.Join(lines, ", ")
}

// Sort puts things in the order of their removal. Those of one type stay as they are.
func Sort(things []Thing) {
	slices.SortStableFunc(things, func(a, b Thing) int { return slices.Index(order, a.Type) - slices.Index(order, b.Type) })
}

func has(things []Thing, id string) bool {
	return slices.ContainsFunc(things, func(t Thing) bool { return t.ID == id })
}
