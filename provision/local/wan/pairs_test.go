package wan

import (
	"testing"
	"time"
)

// Each two regions are as far apart as they are, whoever asks, and a region is at no distance
// from itself.
func TestPairsOfTheirOwn(t *testing.T) {
	w := &WAN{pairs: map[[2]string]*pair{}, cfg: Config{RTT: time.Second}}
	w.cfg.Between = func(a, b string) time.Duration {
		if a == "east" && b == "west" {
			return 64 * time.Millisecond
		}
		return 70 * time.Millisecond
	}
	for _, tt := range []struct {
		a, b string
		want time.Duration
	}{{"east", "west", 64 * time.Millisecond}, {"west", "east", 64 * time.Millisecond}, {"island", "east", 70 * time.Millisecond}, {"east", "east", 0}} {
		if got := w.pair(tt.a, tt.b).rtt; got != tt.want {
			t.Errorf("%s to %s: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	plain := &WAN{pairs: map[[2]string]*pair{}, cfg: Config{RTT: time.Second}}
	if got := plain.pair("a", "b").rtt; got != time.Second {
		t.Errorf("one round trip for all: %v", got)
	}
}
