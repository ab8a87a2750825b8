package ringcheck

import (
	"context"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// ModeDrained is that of a node that has written everything to its data files and
// takes nothing any more, until it is started again.
const ModeDrained = "DRAINED"

// Drain has a node send its clients away, tell the others that it goes, and write
// what it has in memory to its data files. It returns when that is done; the server
// runs on and does nothing more.
func Drain(ctx context.Context, q Query, n topology.Node) error {
	return operate(ctx, q, n, call{Type: "exec", MBean: release.StorageService, Operation: release.Drain}, nil)
}

// ReloadCertificates has a node read its key store and trust store again, as
// nodetool reloadssl does; from 4.0 on there is such an operation. Connections that
// stand keep what they were made with. It is no error when the stores are no good:
// the node says so in its log and keeps the old ones.
func ReloadCertificates(ctx context.Context, q Query, n topology.Node) error {
	return operate(ctx, q, n, call{Type: "exec", MBean: release.Messaging, Operation: release.ReloadTLS}, nil)
}
