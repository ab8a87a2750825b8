package run

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/internal/deploy/sshhost"
	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/stress"
	"crossring/stress/record"
)

func TestClockOffset(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	m := sshhost.New(sshhost.Config{
		Address: s.Address, Port: s.Port, User: s.User, Identity: s.Identity, NoRoot: true,
		KnownHosts: filepath.Join(t.TempDir(), "known_hosts"), TrustFirst: true,
	})
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const ahead = 3 * time.Hour
	for _, d := range []time.Duration{0, ahead, -ahead} {
		off, margin, err := clockOffset(ctx, m, func() time.Time { return time.Now().Add(-d) })
		if err != nil {
			t.Fatal(err)
		}
		if wrong := (off - d).Abs(); wrong > margin {
			t.Errorf("a clock %s ahead: %s, give or take %s", d, off, margin)
		}
	}
}

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

func TestNamedLines(t *testing.T) {
	var out strings.Builder
	n := &named{to: &out, name: "a", mu: &sync.Mutex{}}
	fmt.Fprint(n, "one\ntw")
	fmt.Fprint(n, "o\n\nthree")
	n.flush()
	if want := "a: one\na: two\na: \na: three\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
