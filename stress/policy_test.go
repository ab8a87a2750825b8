package stress

import (
	"testing"
	"time"
)

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]Policy{
		"": {}, "shared": {}, "per-request": {PerRequest: true}, "renew:50req": {Requests: 50}, "renew:10m": {Life: 10 * time.Minute},
		"renew:50req,10m": {Requests: 50, Life: 10 * time.Minute}, "renew:1m,7req": {Requests: 7, Life: time.Minute},
	} {
		got, err := ParsePolicy(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := ParsePolicy(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, and read as %+v, %v", text, got, again, err)
		}
		if got.Shared() != (text == "" || text == "shared") {
			t.Errorf("%q is shared: %v", text, got.Shared())
		}
	}
	for _, text := range []string{"renew", "renew:", "renew:0req", "renew:-1m", "renew:50", "renew:50req,", "per-row", "Shared"} {
		if got, err := ParsePolicy(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestLimitIsAroundWhatIsSaid(t *testing.T) {
	least, most := 1000, 0
	for range 2000 {
		n, _ := Policy{Requests: 50}.Draw()
		least, most = min(least, n), max(most, n)
	}
	if least < 25 || most > 75 || least == most {
		t.Errorf("limits of 50 are %d to %d", least, most)
	}
	if n, _ := (Policy{Requests: 1}).Draw(); n < 1 {
		t.Errorf("a limit of %d", n)
	}
}
