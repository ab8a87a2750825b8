package line

import "testing"

func TestArgLimits(t *testing.T) {
	for _, tt := range []struct {
		usage           string
		lowest, highest int
	}{
		{"", 0, 0}, {"CLUSTER", 1, 1}, {"[CLUSTER]", 0, 1}, {"N [N...]", 1, -1}, {"N…", 1, -1},
		{"CLUSTER [NODE]", 1, 2}, {"CLUSTER -- COMMAND [ARG...]", 2, -1}, {"[NODE COMMAND]", 0, 2}, {"write|read", 1, 1},
		{"[CLUSTER [NODE]]", 0, 2}, {"NAME [--] COMMAND [ARG...]", 2, -1},
	} {
		if low, high := argLimits(tt.usage); low != tt.lowest || high != tt.highest {
			t.Errorf("%q: %d to %d, want %d to %d", tt.usage, low, high, tt.lowest, tt.highest)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"ring", "status", "stress", "start", "stop"}
	for word, want := range map[string]string{
		"rign": "ring", "sturt": "start", "stres": "stress", "statsu": "status", "x": "", "completely": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
