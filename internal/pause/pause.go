// Package pause waits for a time, and no longer than a context lasts.
package pause

import (
	"context"
	"time"
)

// For waits d, and says whether it was waited for to the end: false is that ctx ended
// before, or had ended already. Nothing is waited for where d is not positive.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
