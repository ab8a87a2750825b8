// Package meanwhile is what happened beside a load: what passed between the regions, and what
// the servers did, second by second. It is pure.
package meanwhile

import "crossring/internal/topology"

// Record is part of the document of a load.
type Record struct {
	// Wire is what passed between regions; nil where nobody counts it, as on networks that are
	// not crossring's, or the count was lost.
	Wire []topology.Wire `json:"wire"`
}
