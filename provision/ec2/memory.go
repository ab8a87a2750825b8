package ec2

import (
	"encoding/json"
	"strings"
	"sync"

	"crossring/internal/journal"
)

// memory is the journal by part: what was asked for, and what came of it.
type memory struct {
	journal *journal.Journal

	mu      sync.Mutex
	records []*record // in the order of their intents
}

// record is the last intent of one call for one part, and its result if it has one.
type record struct {
	Action  string
	Part    string // region/what/which: us-east-1/instance/us-east-1-1/us-east-1a/1
	Intent  json.RawMessage
	Pending bool
	outcome
}

// outcome is the result of a call, as the journal has it.
type outcome struct {
	ID   string `json:"id,omitempty"`   // of what was made
	Code string `json:"code,omitempty"` // EC2's, of a failure
}

// made says that the call made something.
func (r *record) made() bool { return r != nil && !r.Pending && r.ID != "" }

// made is the id of what a call made for a part, and was not removed since.
func (r *region) made(action, part string) (string, bool) {
	rec := r.mem.get(action, part)
	if !rec.made() || r.removed(rec.ID) {
		return "", false
	}
	return rec.ID, true
}

// removed says that the journal knows of a thing that crossring removed it.
func (r *region) removed(id string) bool { return r.mem.get(removed, r.part(id)).made() }

func remember(j *journal.Journal, entries []journal.Entry) *memory {
	m := &memory{journal: j}
	for _, e := range entries {
		switch e.Phase {
		case journal.PhaseIntent:
			m.begin(e.Kind, e.ID, e.Data)
		case journal.PhaseResult:
			var out outcome
			if len(e.Data) > 0 {
				// What is not an outcome has none: the call is then repeated or looked for.
				_ = json.Unmarshal(e.Data, &out)
			}
			m.end(e.Kind, e.ID, out)
		}
	}
	return m
}

func (m *memory) begin(action, part string, intent json.RawMessage) {
	if r := m.find(action, part); r != nil {
		r.Intent, r.Pending, r.outcome = intent, true, outcome{}
		return
	}
	m.records = append(m.records, &record{Action: action, Part: part, Intent: intent, Pending: true})
}

func (m *memory) end(action, part string, out outcome) {
	if r := m.find(action, part); r != nil {
		r.Pending, r.outcome = false, out
	}
}

func (m *memory) find(action, part string) *record {
	for _, r := range m.records {
		if r.Action == action && r.Part == part {
			return r
		}
	}
	return nil
}

// get is a copy of the record of a call, nil if it was never announced.
func (m *memory) get(action, part string) *record {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(action, part)
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

// below lists the records of parts that begin with a prefix.
func (m *memory) below(action, prefix string) []record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []record
	for _, r := range m.records {
		if (action == "" || r.Action == action) && strings.HasPrefix(r.Part, prefix) {
			list = append(list, *r)
		}
	}
	return list
}

// intent announces a call, and returns when that is on disk. One that is pending
// already stays as it was announced: it is being repeated.
func (m *memory) intent(action, part string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.find(action, part); r != nil && r.Pending {
		return nil
	}
	if err := m.journal.Intent(action, part, data); err != nil {
		return err
	}
	m.begin(action, part, raw)
	return nil
}

// result records what came of a call, and returns when that is on disk.
func (m *memory) result(action, part string, out outcome, failure error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.journal.Result(action, part, out, failure); err != nil {
		return err
	}
	m.end(action, part, out)
	return nil
}
