package topology

import (
	"encoding/json"
	"strings"
)

// Rule is one opening in a node's firewall: who may reach which port, and what for.
type Rule struct {
	Node    string  `json:"node"`
	Port    int     `json:"port"`
	Source  Source  `json:"source"`
	Why     string  `json:"why"` // for people; nothing reads it
	Purpose Purpose `json:"purpose"`
}

// UnmarshalJSON reads rules of an older crossring, too: they have no purpose, and
// begin their reason with it.
func (r *Rule) UnmarshalJSON(data []byte) error {
	type plain Rule
	if err := json.Unmarshal(data, (*plain)(r)); err != nil {
		return err
	}
	for _, p := range []Purpose{ForInternode, ForCQL, ForSSH} {
		if r.Purpose == "" && strings.HasPrefix(r.Why, string(p)) {
			r.Purpose = p
		}
	}
	return nil
}

// Purpose is what a port is opened for.
type Purpose string

// Purposes of a rule.
const (
	ForInternode Purpose = "internode"
	ForCQL       Purpose = "cql"
	ForSSH       Purpose = "ssh"
)

// Source is who a rule lets in. The zero Source is nobody. It is made by the functions
// below, and reads and writes as the text that they name.
type Source struct {
	kind sourceKind
	name string // of a node, or the network
}

type sourceKind int

const (
	nobody sourceKind = iota
	oneNode
	otherNodes
	theGroup
	theOperator
	network
)

// FromNode is one node, by its public address: "node NAME". Rules made since
// FromOthers is there do not have it.
func FromNode(name string) Source { return Source{oneNode, name} }

// FromOthers is every node of the plan but the rule's own, by its public address:
// "every other node". It stands for as many sources as the ring has nodes, and is said
// once.
func FromOthers() Source { return Source{kind: otherNodes} }

// FromGroup is the nodes and loaders of the cluster in the node's own region, by their
// private addresses: "group".
func FromGroup() Source { return Source{kind: theGroup} }

// FromOperator is where crossring is run from, as long as that is not known: "operator".
func FromOperator() Source { return Source{kind: theOperator} }

// FromNetwork is a network in CIDR notation, or another name that the firewall knows
// one by, such as a prefix list.
func FromNetwork(cidr string) Source { return Source{network, cidr} }

const nodePrefix = "node "

func (s Source) String() string {
	switch s.kind {
	case oneNode:
		return nodePrefix + s.name
	case otherNodes:
		return "every other node"
	case theGroup:
		return "group"
	case theOperator:
		return "operator"
	case network:
		return s.name
	}
	return ""
}

// MarshalText is String.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes. What it does not know is a network.
func (s *Source) UnmarshalText(text []byte) error {
	*s = Source{}
	if len(text) == 0 {
		return nil
	}
	if name, ok := strings.CutPrefix(string(text), nodePrefix); ok {
		*s = FromNode(name)
		return nil
	}
	for _, word := range []Source{FromOthers(), FromGroup(), FromOperator()} {
		if string(text) == word.String() {
			*s = word
			return nil
		}
	}
	*s = FromNetwork(string(text))
	return nil
}

// Node is the name of the one node that the source is; "" when it is none.
func (s Source) Node() string {
	if s.kind == oneNode {
		return s.name
	}
	return ""
}

// Network is the network that the source is as it stands; "" when it is something else.
func (s Source) Network() string {
	if s.kind == network {
		return s.name
	}
	return ""
}

// IsGroup says whether the source is the nodes and loaders of the region.
func (s Source) IsGroup() bool { return s.kind == theGroup }

// Admits says whether the rule lets a node of the cluster in by its public address.
func (r Rule) Admits(node string) bool {
	return r.Source.kind == otherNodes && r.Node != node || r.Source.kind == oneNode && r.Source.name == node
}

// RuledInternodePort is the port that the plan's rules open on a node to its peers; 0 when
// they open none.
func (p Plan) RuledInternodePort(node string) int {
	for _, r := range p.Rules {
		if r.Node == node && r.Purpose == ForInternode {
			return r.Port
		}
	}
	return 0
}

// Shared lists the rules of a firewall that the nodes of a region share: each port with
// each source once, in the order of the plan, and "every other node" as the nodes that
// it means. Two nodes or more let each other in, so that is all nodes; a single one
// leaves itself out.
func (p Plan) Shared(region string) []Rule {
	here := map[string]bool{}
	for _, n := range p.Nodes {
		if n.Region == region {
			here[n.Name] = true
		}
	}
	type opening struct {
		port   int
		source Source
	}
	seen := map[opening]bool{}
	var list []Rule
	add := func(r Rule) {
		if o := (opening{r.Port, r.Source}); !seen[o] {
			seen[o] = true
			list = append(list, r)
		}
	}
	first := map[int]string{} // by port, the node whose others are in the list already
	for _, r := range p.Rules {
		before, again := first[r.Port]
		switch {
		case !here[r.Node]:
		case r.Source.kind != otherNodes:
			add(r)
		case again:
			if before != r.Node { // all but the first node are there
				r.Source = FromNode(before)
				add(r)
			}
		default:
			first[r.Port] = r.Node
			for _, n := range p.Nodes {
				if n.Name != r.Node {
					each := r
					each.Source = FromNode(n.Name)
					add(each)
				}
			}
		}
	}
	return list
}
