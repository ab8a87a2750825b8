// Package ledger makes calls that change something at a service which answers late,
// twice, or not at all, so that after a crash at any moment it is known what is there.
//
// Each call is announced on disk, made, repeated for as long as nobody knows what came
// of it, and settled: the ledger then has what was made, or why not. An announcement
// without an outcome is what the next command looks into: what the lost call made is
// found by its tag, and adopted. What the service is, its packages say: of its errors
// the ledger knows only what they mean (Service).
package ledger

import (
	"encoding/json"
	"strings"
	"sync"

	"crossring/internal/journal"
)

// Actions that are the ledger's own: neither is a call's name.
const (
	removed = "Remove"       // a thing is gone because it was removed; the part ends in its id
	ended   = "InstanceGone" // a thing ended by itself; the part is its id
)

// Ledger is the journal by part: what was asked for, and what came of it. It may be used
// by several goroutines. The zero value knows of nothing, and takes nothing up.
type Ledger struct {
	journal *journal.Journal

	mu      sync.Mutex
	records []*Record // in the order of their announcements
}

// Record is the last announcement of one call for one part, and its outcome if it has
// one.
type Record struct {
	Action  string
	Part    string // region/what/which: us-east-1/instance/us-east-1-1/us-east-1a/1
	Intent  json.RawMessage
	Pending bool
	Outcome
}

// Outcome is the result of a call, as the journal has it.
type Outcome struct {
	ID   string `json:"id,omitempty"`   // of what was made
	Code string `json:"code,omitempty"` // the service's, of a failure
}

// Made says that the call made something. No record has made nothing.
func (r *Record) Made() bool { return r != nil && !r.Pending && r.ID != "" }

// Open reads or begins the ledger in a file.
func Open(path string) (*Ledger, error) {
	j, entries, err := journal.Open(path)
	if err != nil {
		return nil, err
	}
	l := &Ledger{journal: j}
	for _, e := range entries {
		switch e.Phase {
		case journal.PhaseIntent:
			l.begin(e.Kind, e.ID, e.Data)
		case journal.PhaseResult:
			var out Outcome
			if len(e.Data) > 0 {
				// What is not an outcome has none: the call is then repeated or looked for.
				_ = json.Unmarshal(e.Data, &out)
			}
			l.end(e.Kind, e.ID, out)
		}
	}
	return l, nil
}

// Close closes the file.
func (l *Ledger) Close() error { return l.journal.Close() }

func (l *Ledger) begin(action, part string, intent json.RawMessage) {
	if r := l.find(action, part); r != nil {
		r.Intent, r.Pending, r.Outcome = intent, true, Outcome{}
		return
	}
	l.records = append(l.records, &Record{Action: action, Part: part, Intent: intent, Pending: true})
}

func (l *Ledger) end(action, part string, out Outcome) {
	if r := l.find(action, part); r != nil {
		r.Pending, r.Outcome = false, out
	}
}

func (l *Ledger) find(action, part string) *Record {
	for _, r := range l.records {
		if r.Action == action && r.Part == part {
			return r
		}
	}
	return nil
}

// Get is a copy of the record of a call, nil if it was never announced.
func (l *Ledger) Get(action, part string) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.find(action, part)
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

// Below lists the records of parts that begin with a prefix, of one action or, with "",
// of all.
func (l *Ledger) Below(action, prefix string) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Record
	for _, r := range l.records {
		if (action == "" || r.Action == action) && strings.HasPrefix(r.Part, prefix) {
			list = append(list, *r)
		}
	}
	return list
}

// Announce says that a call is about to be made, and returns when that is on disk. One
// that is pending already stays as it was announced: it is being repeated.
func (l *Ledger) Announce(action, part string, intent any) error {
	raw, err := json.Marshal(intent)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.find(action, part); r != nil && r.Pending {
		return nil
	}
	if err := l.journal.Intent(action, part, intent); err != nil {
		return err
	}
	l.begin(action, part, raw)
	return nil
}

// Settle records what came of a call, and returns when that is on disk.
func (l *Ledger) Settle(action, part string, out Outcome, failure error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.journal.Result(action, part, out, failure); err != nil {
		return err
	}
	l.end(action, part, out)
	return nil
}
