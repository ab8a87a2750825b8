package cluster

import (
	"fmt"
	"path/filepath"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// CheckName refuses what can't be a cluster's name, and so no directory of one.
func CheckName(name string) error {
	if name == "" || name[0] == '.' || strings.ContainsRune(name, filepath.Separator) {
		return fail.Usage("", fmt.Errorf("%q is not the name of a cluster", name), "crossring ls")
	}
	return nil
}

// SplitRef takes NAME or NAME:NODE apart.
func SplitRef(ref string) (name, node string) {
	name, node, _ = strings.Cut(ref, ":")
	return name, node
}

// CheckRef refuses what names no cluster, and NAME: with nothing behind it: what an unset
// variable of a script leaves is not every node.
func CheckRef(ref string) error {
	name, node, colon := strings.Cut(ref, ":")
	if err := CheckName(name); err != nil {
		return err
	}
	if colon && node == "" {
		return fail.Usage("", fmt.Errorf("%q names no node: NAME:NODE is one of them, NAME all", ref), plain.Command("crossring", "status", name))
	}
	return nil
}

// Pick opens a cluster and lists the nodes that ref means: one, or all.
func (w World) Pick(ref string) (Cluster, []topology.Node, error) {
	name, node := SplitRef(ref)
	if err := CheckRef(ref); err != nil {
		return Cluster{}, nil, err
	}
	c, err := w.Open(name)
	if err != nil || node == "" {
		return c, c.Inv.Nodes, err
	}
	n, err := c.Inv.Node(node)
	if err != nil {
		return c, nil, fail.Usage("", err, plain.Command("crossring", "status", name))
	}
	return c, []topology.Node{n}, nil
}

// PickOne is pick for verbs that work on one node; without one named it is the first.
func (w World) PickOne(ref string) (Cluster, topology.Node, error) {
	c, nodes, err := w.Pick(ref)
	if err != nil {
		return c, topology.Node{}, err
	}
	return c, nodes[0], nil
}
