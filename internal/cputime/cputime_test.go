package cputime

import (
	"testing"
	"time"
)

// Work costs processor time, and what was used only grows.
func TestUsed(t *testing.T) {
	const work = 50 * time.Millisecond
	first := Used()
	for before := first; ; {
		now := Used()
		if now.User < before.User || now.System < before.System {
			t.Fatalf("%+v, then %+v", before, now)
		}
		if since := now.Since(first); since.Total() >= work {
			if since.Total() != now.Total()-first.Total() {
				t.Errorf("%+v between %+v and %+v", since, first, now)
			}
			return
		}
		before = now
	}
}
