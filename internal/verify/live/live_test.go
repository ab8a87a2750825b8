package live

import (
	"testing"

	"crossring/internal/cql"
)

// Lines as traces of the releases have them.
func TestReads(t *testing.T) {
	const here, there = "127.9.101.1", "127.9.102.1"
	for name, c := range map[string]struct {
		events      []cql.TraceEvent
		own, others bool
	}{
		"nothing yet": {},
		"its own": {[]cql.TraceEvent{
			{Activity: "Parsing SELECT value FROM a.b WHERE key = ?", Source: here},
			{Activity: "Executing single-partition query on b", Source: here},
			{Activity: "Read 0 live rows and 0 tombstone cells", Source: here},
		}, true, false},
		"another's, 1.2": {[]cql.TraceEvent{
			{Activity: "Sending message to /127.9.102.1", Source: here}, {Activity: "Executing single-partition query on b", Source: there},
		}, false, true},
		"another's, 5.0": {[]cql.TraceEvent{
			{Activity: "reading data from /127.9.102.1:7000", Source: here}, {Activity: "Sending READ_REQ message to /127.9.102.1:7000 message size 100 bytes", Source: here},
		}, false, true},
		"tried again elsewhere": {[]cql.TraceEvent{
			{Activity: "Executing single-partition query on b", Source: here}, {Activity: "speculating read retry on /127.9.102.1", Source: here},
		}, true, true},
		"the other's part alone is there so far": {[]cql.TraceEvent{{Activity: "READ message received from /127.9.101.1", Source: there}}, false, true},
	} {
		if own, others := reads(c.events, []string{"127.9.1.1", here}); own != c.own || others != c.others {
			t.Errorf("%s: own %v, others %v", name, own, others)
		}
	}
}
