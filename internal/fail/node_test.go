package fail

import (
	"errors"
	"fmt"
	"testing"
)

// claimed is another package's error that names its node.
type claimed struct{ node string }

func (c *claimed) Error() string    { return c.node + ": is taken" }
func (c *claimed) NodeName() string { return c.node }

func TestOfNode(t *testing.T) {
	lost := errors.New("connection lost")
	for _, tt := range []struct {
		err           error
		address, want string
	}{
		{lost, "", "a-1: connection lost"},
		{lost, "203.0.113.1", "a-1 (203.0.113.1): connection lost"},
		{&claimed{"a-1"}, "203.0.113.1", "a-1: is taken"},
		{fmt.Errorf("checking: %w", &claimed{"a-1"}), "", "checking: a-1: is taken"},
		{&claimed{"a-10"}, "", "a-1: a-10: is taken"}, // another node: who found it is said, too
		{OfNode("a-1", "", lost), "203.0.113.1", "a-1: connection lost"},
		{errors.New("a-1: as text"), "", "a-1: a-1: as text"}, // a text says nothing
		{Usage("", &claimed{"a-1"}, ""), "", "a-1: is taken"},
	} {
		err := OfNode("a-1", tt.address, tt.err)
		if err.Error() != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%v: got %q, want %q", tt.err, err, tt.want)
		}
	}
	if OfNode("a-1", "", nil) != nil {
		t.Error("no error became one")
	}
	if code := CodeOf(OfNode("a-1", "", Busy("", lost, ""))); code != ExitBusy {
		t.Errorf("code %d", code)
	}
}
