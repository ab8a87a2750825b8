package verify

import (
	"strings"
	"testing"
)

func TestBadRows(t *testing.T) {
	var b Bad
	b.Add(1, Failed)
	b.Add(2, Lost)
	b.Add(3, Wrong)
	b.Add(4, Failed)
	var got []int64
	for _, r := range b.Rows() {
		got = append(got, r.Key)
	}
	if len(got) != 4 || got[0] != 2 || got[1] != 3 || got[2] != 1 || got[3] != 4 {
		t.Errorf("lost and wrong rows come first: %v", got)
	}
	for k := range int64(3000) {
		b.Add(10+k, []string{Lost, Failed}[k%2])
	}
	if rows := b.Rows(); len(rows) != MostWhere || rows[MostWhere-1].Outcome != Lost {
		t.Errorf("%d rows", len(rows))
	}
	if none := (&Bad{}).Rows(); none == nil || len(none) != 0 {
		t.Errorf("no rows are an empty list, not %v", none)
	}
}

func TestText(t *testing.T) {
	r := Result{Cluster: "gk", Datacenter: "us-east", Consistency: "ALL", Rows: 40, Found: 10, FoundLater: 1, Lost: 28, Wrong: 1, Failed: 1, Where: []Row{}}
	for k := range int64(30) {
		r.Where = append(r.Where, Row{Key: 100 + k, Outcome: Lost, Replicas: map[string]string{"127.2.101.1": Present, "127.2.102.1": Absent}})
	}
	r.Where[0].Replicas = nil
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read again in us-east at ALL", "40    10     28    1      1\n", "there before the deadline: 1 row\n", "100  lost     not known\n",
		"101  lost     127.2.101.1 present, 127.2.102.1 absent\n", "and 10 more; -o json has the first 1000\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if got, want := r.Problem(), "of 40 acknowledged rows: 28 lost, 1 wrong, 1 not readable"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Result{Rows: 5, Found: 5}).Problem(); got != "" {
		t.Errorf("all found: %q", got)
	}
}
