// Package meanwhile is what happened beside a load: what passed between the regions, and what
// the servers did, second by second. It is pure.
package meanwhile

import (
	"time"

	"crossring/internal/topology"
)

// Record is part of the document of a load.
type Record struct {
	// Wire is what passed between regions; nil where nobody counts it, as on networks that are
	// not crossring's, or the count was lost.
	Wire []topology.Wire `json:"wire"`
	// Servers is what each node's server did; nil where nobody can tell, for ServersMissing.
	Servers []Server `json:"servers"`
	// ServersSince is when their time begins.
	ServersSince   *time.Time `json:"servers_since"`
	ServersMissing string     `json:"servers_missing,omitempty"`
}
