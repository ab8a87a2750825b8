package results

import (
	"context"
	"errors"
	"testing"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

// Who asks for the figures of a run and then has enough gets an answer, and no figures of
// a part of it.
func TestFoldEndsWithItsContext(t *testing.T) {
	p := recordtest.Phase
	p.Op, p.FirstKey, p.Rows, p.Keys = record.OpWrite, 0, 1000, nil
	var recs []record.Record
	for key := range p.Rows {
		recs = append(recs, ended(key, record.Acknowledged))
	}
	d := put(t, map[string][]byte{"write.raw": recordtest.Stream(t, p, recs, &record.End{})})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if s, err := d.Summary(ctx); !errors.Is(err, enough) || s.Write != nil {
		t.Errorf("summary: %+v, %v", s.Write, err)
	}
	if _, err := d.Acks(ctx); !errors.Is(err, enough) {
		t.Errorf("acknowledgements: %v", err)
	}
	if _, err := d.Seconds(ctx, record.OpWrite); !errors.Is(err, enough) {
		t.Errorf("seconds: %v", err)
	}
	if s, err := d.Summary(t.Context()); err != nil || s.Write == nil || s.Write.Rows != 1000 {
		t.Errorf("undisturbed: %+v, %v", s.Write, err)
	}
}
