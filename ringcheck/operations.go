package ringcheck

import (
	"context"
	"errors"
	"fmt"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// Operation modes of a node, as it says them of itself. A series may have others.
const (
	ModeNormal         = "NORMAL"
	ModeJoining        = "JOINING"
	ModeLeaving        = "LEAVING"
	ModeDecommissioned = "DECOMMISSIONED"
	ModeMoving         = "MOVING"
)

// Mode asks a node for its operation mode. Like the operations below it needs the
// agents.
func Mode(ctx context.Context, q Query, n topology.Node) (string, error) {
	nodeCtx, cancel := limit(ctx, q.timeout())
	defer cancel()
	var mode string
	err := operate(nodeCtx, q, n, call{Type: "read", MBean: release.StorageService, Attribute: "OperationMode"}, &mode)
	return mode, err
}

// Decommission has a node hand over what it holds and leave the ring. It returns when
// the node has left; the server runs on, and is to be stopped. Whether the nodes that
// stay are enough for every keyspace's replicas is for the caller to know: the node is
// told not to look, for Cassandra counts its own keyspaces of three replicas, too.
func Decommission(ctx context.Context, q Query, n topology.Node) error {
	c := call{Type: "exec", MBean: release.StorageService, Operation: q.Release.DecommissionOp()}
	if !q.Release.PlainDecommission {
		c.Arguments = []any{true}
	}
	return operate(ctx, q, n, c, nil)
}

// Move has a node of one token take another one, and returns when it has.
func Move(ctx context.Context, q Query, n topology.Node, token string) error {
	return operate(ctx, q, n, call{Type: "exec", MBean: release.StorageService, Operation: release.Move, Arguments: []any{token}}, nil)
}

// Cleanup has a node drop the rows of a keyspace that it does not own any more, and
// returns when it has.
func Cleanup(ctx context.Context, q Query, n topology.Node, keyspace string) error {
	status := 0 // null on a series whose operation returns nothing
	err := operate(ctx, q, n, call{Type: "exec", MBean: release.StorageService, Operation: q.Release.CleanupOp(), Arguments: []any{keyspace, []string{}}}, &status)
	if err == nil && status != 0 {
		err = &RefusedError{Node: n.Name, Message: fmt.Sprintf("cleanup of keyspace %s ended with status %d; its log says why", keyspace, status)}
	}
	return err
}

// RefusedError says that a node was asked and did not do it.
type RefusedError struct {
	Node, Message string
	// State says that the node's state was against it, which may pass.
	State bool
}

func (e *RefusedError) Error() string { return e.Node + ": " + e.Message }

// operate makes one call, and decodes its value into dst unless that is nil.
func operate(ctx context.Context, q Query, n topology.Node, c call, dst any) error {
	if q.CQL != nil {
		return errors.New("operating " + n.Name + ": only the jolokia agent can, and this cluster has none")
	}
	a := newAgent(n, q)
	defer a.close()
	replies, err := a.bulk(ctx, []call{c})
	if err != nil {
		return err
	}
	err = replies[0].err()
	var refused *jmxError
	if errors.As(err, &refused) {
		return &RefusedError{Node: n.Name, Message: refused.Message, State: refused.Type == "java.lang.UnsupportedOperationException"}
	}
	if err != nil || dst == nil {
		return err
	}
	if err := replies[0].decode(dst); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", n.Name, err)
	}
	return nil
}
