package run

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

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
