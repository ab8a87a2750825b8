package sweep

import (
	"errors"
	"testing"
	"time"
)

// What is removed is due by EC2's own clock, where this computer's agrees.
func TestDue(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		l        Listed
		due, bad bool
	}{
		"over":          {Listed{Expires: now.Add(-time.Second), At: now}, true, false},
		"not yet":       {Listed{Expires: now.Add(time.Second), At: now}, false, false},
		"ahead":         {Listed{Expires: now.Add(-time.Second), At: now, Skew: 6 * time.Minute}, false, true},
		"behind":        {Listed{Expires: now.Add(-time.Second), At: now, Skew: -6 * time.Minute}, false, true},
		"a little":      {Listed{Expires: now.Add(-time.Second), At: now, Skew: -4 * time.Minute}, true, false},
		"it says none":  {Listed{Expires: now.Add(-time.Second)}, false, true},
		"never expires": {Listed{At: now}, false, false},
	} {
		due, err := c.l.Due()
		var skew *SkewError
		if due != c.due || errors.As(err, &skew) != c.bad {
			t.Errorf("%s: %t, %v", name, due, err)
		}
	}
}
