package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	cases := []struct {
		name   string
		d      time.Duration
		ends   time.Duration // of the context; negative: it has ended
		waited time.Duration
		whole  bool
	}{
		{"to the end", time.Second, time.Minute, time.Second, true},
		{"the context ends before", time.Minute, time.Second, time.Second, false},
		{"it had ended", time.Minute, -1, 0, false},
		{"nothing to wait for", 0, time.Minute, 0, true},
		{"nothing to wait for, and ended", 0, -1, 0, false},
		{"late already", -time.Second, time.Minute, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.ends < 0 {
					cancel()
				} else {
					defer time.AfterFunc(c.ends, cancel).Stop()
				}
				begun := time.Now()
				whole := For(ctx, c.d)
				if waited := time.Since(begun); whole != c.whole || waited != c.waited {
					t.Errorf("%v after %s, want %v after %s", whole, waited, c.whole, c.waited)
				}
			})
		})
	}
}
