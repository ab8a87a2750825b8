package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/topology"
)

// No name may lead out of the directory of clusters.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "gk", "two-by-two", "x.y"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "x/..", "x/", "/", "/etc", "a/b", ".hidden", "../../clusters/x"} {
		if err := CheckName(name); fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%q: %v, want a usage error", name, err)
		}
	}
}

func TestSplitRef(t *testing.T) {
	for ref, want := range map[string][2]string{
		"gk": {"gk", ""}, "gk:1": {"gk", "1"}, "gk:us-east-1-1": {"gk", "us-east-1-1"}, "gk:": {"gk", ""}, "gk:::1": {"gk", "::1"},
	} {
		if name, node := SplitRef(ref); name != want[0] || node != want[1] {
			t.Errorf("%q: %q and %q", ref, name, node)
		}
	}
}

// What an unset variable leaves of NAME:$NODE is not every node of the cluster.
func TestReferencesWithoutANode(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	for _, ref := range []string{"gk:", ":", ":1", "", "../x:1"} {
		if _, _, err := w.Pick(ref); fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("pick %q: %v, want a usage error", ref, err)
		}
	}
	for _, ref := range []string{"gk", "gk:1"} {
		if err := CheckRef(ref); err != nil {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

// A directory without an inventory is no cluster, and is not among those that there are.
func TestAClusterWithoutAnInventory(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	for _, name := range []string{"gone", "other"} {
		if err := os.MkdirAll(filepath.Join(w.StateDir, "clusters", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][2]string{
		"gone":  {`cluster "gone" has no inventory: it is half made, or the file is lost`, "crossring down gone"},
		"third": {`there is no cluster "third"; there are [gone other]`, "crossring ls"},
	} {
		_, err := w.Open(name)
		var none *NoClusterError
		if !errors.As(err, &none) || none.Error() != want[0] || none.Hint() != want[1] {
			t.Errorf("%v; want %q and %q", err, want[0], want[1])
		}
	}
}

func TestPartial(t *testing.T) {
	c := Cluster{Inv: topology.Inventory{Plan: topology.Plan{Name: "gk"}}}
	two := make([]deploy.Target, 2)
	plain, dead := errors.New("no route"), &deploy.DeadError{Node: "us-east-1-1", Ended: "exit status 3"}
	for name, tt := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"none":           {nil, fail.ExitOK, ""},
		"one of two":     {multierror.Append(nil, plain), fail.ExitPartial, ""},
		"both":           {multierror.Append(nil, plain, plain), fail.ExitFailure, ""},
		"one died":       {multierror.Append(nil, dead), fail.ExitPartial, "crossring logs gk:us-east-1-1"},
		"both died":      {multierror.Append(nil, dead, dead), fail.ExitFailure, "crossring logs gk:us-east-1-1"},
		"not of a node":  {plain, fail.ExitFailure, ""},
		"a wait, passed": {fmt.Errorf("waiting: %w", os.ErrDeadlineExceeded), fail.ExitFailure, ""},
	} {
		err := c.Partial(tt.err, two)
		var coded *fail.Error
		hint := ""
		if errors.As(err, &coded) {
			hint = coded.Hint
		}
		if fail.CodeOf(err) != tt.code || !strings.HasPrefix(hint, tt.hint) || (tt.hint == "") != (hint == "") || (tt.err != nil && !errors.Is(err, tt.err)) {
			t.Errorf("%s: %v, exit %d, hint %q; want %d, %q", name, err, fail.CodeOf(err), hint, tt.code, tt.hint)
		}
	}
}
