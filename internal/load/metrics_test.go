package load

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/scrape"
	"crossring/stress"
	"crossring/stress/record"
)

func TestShow(t *testing.T) {
	var said []string
	w := cluster.World{Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	none, err := show(w, "")
	if err != nil || none.endpoint != nil || len(said) != 0 {
		t.Fatalf("nobody asked: %v, %q", err, said)
	}
	none.close(w)
	s, err := show(w, "0")
	if err != nil || len(said) != 1 || said[0] != "metrics: "+s.endpoint.URL || !strings.HasPrefix(s.endpoint.URL, "http://127.0.0.1:") {
		t.Fatalf("%v, %q", err, said)
	}
	s.phase("us-east", stress.Progress{Op: record.OpWrite, Done: 5, Rows: 10})
	s.phase("us-east", stress.Progress{Op: record.OpWrite, Done: 7, Rows: 10})
	s.phase("us-west-2", stress.Progress{Op: record.OpRead, Done: 1, Rows: 7, Missing: 3})
	resp, err := http.Get(s.endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`crossring_load_rows_total{datacenter="us-east",op="write"} 7`, `crossring_load_rows_missing{datacenter="us-west-2",op="read"} 3`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	taken := strings.TrimSuffix(strings.TrimPrefix(s.endpoint.URL, "http://"), scrape.Path)
	var coded interface{ ExitCode() int }
	if _, err := show(w, taken); err == nil || !errors.As(err, &coded) || coded.ExitCode() != 2 {
		t.Errorf("a port that is taken: %v", err)
	}
	s.close(w)
	said = nil
	open, err := show(w, "0.0.0.0:0")
	if err != nil || len(said) != 2 || !strings.Contains(said[1], "warning") {
		t.Errorf("open to others: %v, %q", err, said)
	}
	open.close(w)
	(*shown)(nil).phase("us-east", stress.Progress{}) // of a load that nobody can look at
	if err := checkMetrics("nonsense", "repro"); err == nil || checkMetrics("", "repro") != nil || checkMetrics("9464", "repro") != nil {
		t.Errorf("%v", err)
	}
}
