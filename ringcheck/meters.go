package ringcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"crossring/internal/meanwhile"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// Meter reads the load of one node's server, by one request over a connection that it keeps.
type Meter struct {
	agent *agent
	calls []call
}

// meters are the kinds of a meanwhile.Reading, where each is read, and in which unit of it it
// is told.
var meters = []struct {
	kind            int
	bean, attribute string
	unit            float64
	value           func(json.RawMessage) (float64, error)
}{
	{meanwhile.CPU, release.MeterProcess, release.MeterProcessTime, float64(time.Second), number},
	{meanwhile.GC, release.MeterCollectors, release.MeterCollectTime, 1, collectors},
	{meanwhile.Heap, release.MeterMemory, release.MeterHeap, 1, used},
	{meanwhile.Compactions, release.MeterCompactions, release.MeterValue, 1, number},
	{meanwhile.HintsStored, release.MeterHints, release.MeterCount, 1, number},
	{meanwhile.HintsDelivered, release.MeterDelivered, release.MeterCount, 1, number},
	{meanwhile.Dropped, release.Messaging, release.MeterDroppedByKey, 1, droppedMutations},
	{meanwhile.Reads, release.MeterReads, release.MeterCount, 1, number},
	{meanwhile.ReadMicros, release.MeterReadTime, release.MeterCount, 1, number},
	{meanwhile.Writes, release.MeterWrites, release.MeterCount, 1, number},
	{meanwhile.WriteMicros, release.MeterWriteTime, release.MeterCount, 1, number},
	{meanwhile.PendingReads, release.MeterReadsQueued, release.MeterValue, 1, number},
	{meanwhile.PendingWrites, release.MeterWritesQueued, release.MeterValue, 1, number},
}

// NewMeter prepares to read a node's; Close gives its connection back.
func NewMeter(q Query, n topology.Node) *Meter {
	m := &Meter{agent: newAgent(n, q)}
	for _, r := range meters {
		m.calls = append(m.calls, call{Type: "read", MBean: r.bean, Attribute: r.attribute})
	}
	return m
}

// Close gives the connection back.
func (m *Meter) Close() { m.agent.close() }

// Read asks the node, for as long as ctx lasts. What its release lacks is NaN. A
// *MeterError is that its agent lets none of this be read.
func (m *Meter) Read(ctx context.Context) (values [meanwhile.Kinds]float64, err error) {
	values = meanwhile.Unknown(0).Values
	replies, err := m.agent.bulk(ctx, m.calls)
	if err != nil {
		return values, err
	}
	denied := 0
	for i, r := range meters {
		var refused *jmxError
		if errors.As(replies[i].err(), &refused) {
			if refused.Status == http.StatusForbidden {
				denied++
			}
			continue
		}
		v, err := r.value(replies[i].Value)
		if err != nil {
			return values, fmt.Errorf("reading %s of %s: %w", r.bean, m.agent.node.Name, err)
		}
		values[r.kind] = v / r.unit
	}
	if denied == len(meters) {
		return values, &MeterError{Cluster: m.agent.cluster, Node: m.agent.node.Name}
	}
	return values, nil
}

// MeterError says that a node's agent does not let its load be read: it was started by a
// crossring that did not read it.
type MeterError struct{ Cluster, Node string }

func (e *MeterError) Error() string {
	return fmt.Sprintf("the agent of %s was started by an older crossring, and does not tell the load of its server", e.Node)
}

// Hint is the command that starts the node with an agent of now.
func (e *MeterError) Hint() string { return "crossring restart " + e.Cluster + ":" + e.Node }

func number(value json.RawMessage) (float64, error) {
	v := math.NaN()
	err := json.Unmarshal(value, &v)
	return v, err
}

// collectors is the sum over the collectors, by MBean.
func collectors(value json.RawMessage) (float64, error) {
	var all map[string]map[string]float64
	err := json.Unmarshal(value, &all)
	sum := 0.0
	for _, one := range all {
		sum += one[release.MeterCollectTime]
	}
	return sum, err
}

// used is that of a java.lang.management.MemoryUsage.
func used(value json.RawMessage) (float64, error) {
	usage := struct{ Used float64 }{math.NaN()}
	err := json.Unmarshal(value, &usage)
	return usage.Used, err
}

// droppedMutations is the sum of the kinds of messages that are mutations: MUTATION up to 3.11,
// MUTATION_REQ after.
func droppedMutations(value json.RawMessage) (float64, error) {
	var all map[string]float64
	err := json.Unmarshal(value, &all)
	sum := 0.0
	for kind, n := range all {
		if strings.HasPrefix(kind, "MUTATION") {
			sum += n
		}
	}
	return sum, err
}
