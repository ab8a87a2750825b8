package trust

import (
	"errors"
	"io"
	"testing"

	"crossring/ringcheck"
)

// A drain whose answer is lost is one that was done, that is still to be done, or that a
// server did not live to see: what the server is tells.
func TestDrainIsAskedAgain(t *testing.T) {
	refused := &ringcheck.RefusedError{Node: "n", Message: "no"}
	for _, tt := range []struct {
		name   string
		modes  string // what the server says each time: normal, drained, or nothing
		drains []error
		alive  bool
		want   error
		asked  int // to drain
	}{
		{"it is drained", "d", nil, true, nil, 0},
		{"it drains", "n", []error{nil}, true, nil, 1},
		{"the answer is lost, and it is drained", "nd", []error{io.EOF}, true, nil, 1},
		{"the request is lost", "nn", []error{io.EOF, nil}, true, nil, 2},
		{"it does not say what it is, once", "-n", []error{nil}, true, nil, 1},
		{"all is lost", "nnn", []error{io.EOF, io.EOF, io.EOF}, true, io.EOF, 3},
		{"it has ended", "n", []error{io.EOF}, false, nil, 1},
		{"it refuses", "n", []error{refused}, true, refused, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			modes, asked := tt.modes, 0
			err := drained(t.Context(),
				func() (string, error) {
					if modes == "" {
						t.Fatal("asked too often")
					}
					is := modes[:1]
					modes = modes[1:]
					switch is {
					case "d":
						return ringcheck.ModeDrained, nil
					case "n":
						return "NORMAL", nil
					}
					return "", io.ErrUnexpectedEOF
				},
				func() error {
					asked++
					return tt.drains[asked-1]
				},
				func() (bool, error) { return tt.alive, nil })
			if !errors.Is(err, tt.want) || asked != tt.asked || modes != "" {
				t.Errorf("got %v after %d drains, with %q left to say; want %v after %d", err, asked, modes, tt.want, tt.asked)
			}
		})
	}
}
