package ringcheck

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"testing"

	"crossring/internal/meanwhile"
	"crossring/internal/release"
)

// told are values as agents of 3.11 and 5.0 have them.
var told = map[string]string{
	release.MeterProcess:     `1500000000`,
	release.MeterCollectors:  `{"java.lang:name=G1 Old Generation,type=GarbageCollector":{"CollectionTime":0},"java.lang:name=G1 Young Generation,type=GarbageCollector":{"CollectionTime":45}}`,
	release.MeterMemory:      `{"init":402653184,"committed":402653184,"max":402653184,"used":100000000}`,
	release.MeterCompactions: `2`, release.MeterHints: `7`, release.MeterDelivered: `5`,
	release.Messaging:  `{"MUTATION_REQ":3,"HINT_REQ":9,"READ_REQ":1}`,
	release.MeterReads: `10`, release.MeterReadTime: `12345`, release.MeterWrites: `20`, release.MeterWriteTime: `54321`,
	release.MeterReadsQueued: `1`, release.MeterWritesQueued: `4`,
}

func TestMeter(t *testing.T) {
	all := [meanwhile.Kinds]float64{
		meanwhile.CPU: 1.5, meanwhile.GC: 45, meanwhile.Heap: 1e8, meanwhile.Compactions: 2, meanwhile.HintsStored: 7, meanwhile.HintsDelivered: 5,
		meanwhile.Dropped: 3, meanwhile.Reads: 10, meanwhile.ReadMicros: 12345, meanwhile.Writes: 20, meanwhile.WriteMicros: 54321,
		meanwhile.PendingReads: 1, meanwhile.PendingWrites: 4,
	}
	for _, tt := range []struct {
		name    string
		lacks   string // an MBean
		status  int    // of it, or of all
		change  string // what it says instead
		unknown []int
		fails   bool
		denied  bool
	}{
		{name: "all"},
		{name: "a release without it", lacks: release.MeterDelivered, status: http.StatusNotFound, unknown: []int{meanwhile.HintsDelivered}},
		{name: "one that may not be asked", lacks: release.MeterMemory, status: http.StatusForbidden, unknown: []int{meanwhile.Heap}},
		{name: "an agent of before", status: http.StatusForbidden, fails: true, denied: true},
		{name: "no number", lacks: release.MeterReads, status: http.StatusOK, change: `"many"`, fails: true},
		{name: "3.11's messages", lacks: release.Messaging, status: http.StatusOK, change: `{"MUTATION":3,"READ":4}`},
		{name: "a null", lacks: release.MeterCompactions, status: http.StatusOK, change: `null`, unknown: []int{meanwhile.Compactions}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := oneNode(t, nil, nil)
			q.Dial = agents{"us-east-1-1": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var calls []call
				if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
					t.Error(err)
				}
				var replies []map[string]any
				for _, c := range calls {
					reply := map[string]any{"status": http.StatusOK, "value": json.RawMessage(told[c.MBean])}
					if c.MBean == tt.lacks && tt.change != "" {
						reply["value"] = json.RawMessage(tt.change)
					} else if tt.status != 0 && (tt.lacks == "" || c.MBean == tt.lacks) {
						reply = map[string]any{"status": tt.status, "error": "java.lang.Exception : no"}
					}
					replies = append(replies, reply)
				}
				_ = json.NewEncoder(w).Encode(replies)
			})}.dial(t)
			m := NewMeter(q, q.Inventory.Nodes[0])
			defer m.Close()
			got, err := m.Read(t.Context())
			var denied *MeterError
			if (err != nil) != tt.fails || errors.As(err, &denied) != tt.denied {
				t.Fatalf("%v", err)
			}
			if tt.fails {
				return
			}
			want := all
			for _, kind := range tt.unknown {
				want[kind] = math.NaN()
			}
			for kind := range want {
				if got[kind] != want[kind] && !(math.IsNaN(got[kind]) && math.IsNaN(want[kind])) {
					t.Errorf("kind %d: %v, want %v", kind, got[kind], want[kind])
				}
			}
		})
	}
}
