package load

import (
	"strings"
	"testing"

	"crossring/stress"
	"crossring/stress/record"
)

func TestLoaderWords(t *testing.T) {
	var got []loaderProgress
	w := &loaderWords{tell: func(p loaderProgress) { got = append(got, p) }}
	for _, part := range []string{`{"done":1,"mis`, `sing":2,"bad":3}` + "\n" + `{"done":4}` + "\ncrossring: error: no", " such host\n", "no end"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || got[0] != (loaderProgress{1, 2, 3}) || got[1].Done != 4 {
		t.Errorf("%+v", got)
	}
	if text := w.text(); text != "crossring: error: no such host no end" {
		t.Errorf("%q", text)
	}
}

func TestProgressOfSeveralLoadersAddsUp(t *testing.T) {
	var last stress.Progress
	s := &progressSum{of: make([]loaderProgress, 2), rows: 100, op: record.OpRead, tell: func(p stress.Progress) { last = p }}
	s.set(0, loaderProgress{Done: 10, Missing: 1})
	s.set(1, loaderProgress{Done: 20, Bad: 2})
	s.set(0, loaderProgress{Done: 50})
	if last.Done != 70 || last.Missing != 0 || last.Bad != 2 || last.Rows != 100 || last.Op != record.OpRead {
		t.Errorf("%+v", last)
	}
}

func TestLoaderRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, in := range []string{"", "{}\n", "no json\n", `{"schema":"crossring/v1","cassandra_version":"0.6"}` + "\n",
		`{"schema":"crossring/v1","cassandra_version":"5.0","acks":true}` + "\nno acks"} {
		var out strings.Builder
		if err := Loader(t.Context(), strings.NewReader(in), &out, &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, and %q", in, err, out.String())
		}
	}
}
