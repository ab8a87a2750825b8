package fail

import "errors"

// NodeError is what went wrong with one node, or with its machine.
type NodeError struct {
	Node    string
	Address string // of its machine; "" is not said
	Err     error
}

// Error is the node, its address where there is one, and the cause.
func (e *NodeError) Error() string {
	if e.Address != "" {
		return e.Node + " (" + e.Address + "): " + e.Err.Error()
	}
	return e.Node + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *NodeError) Unwrap() error { return e.Err }

// NodeName is the node that the text names.
func (e *NodeError) NodeName() string { return e.Node }

// OfNode says of an error which node it is of, unless it, or what it wraps, says so itself: a
// type that names its node has a NodeName() string method. nil stays nil.
func OfNode(node, address string, err error) error {
	if err == nil {
		return nil
	}
	var named interface{ NodeName() string }
	if errors.As(err, &named) && named.NodeName() == node {
		return err
	}
	return &NodeError{Node: node, Address: address, Err: err}
}
