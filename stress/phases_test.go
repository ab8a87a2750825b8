package stress

import (
	"errors"
	"io/fs"
	"testing"

	"crossring/stress/record"
	"crossring/stress/results"
)

// A run that could not begin leaves no file behind that would keep the next one
// from beginning.
func TestDirAfterAFailedStart(t *testing.T) {
	d, err := results.Create(t.TempDir(), results.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(record.OpWrite, 10) // it has no addresses
	for range 2 {
		if _, err := Write(t.Context(), d, cfg, nil); err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v", err)
		}
	}
}
