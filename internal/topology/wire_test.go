package topology

import "testing"

func TestWireAsText(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		w    Wire
		want string
	}{
		{Wire{From: "a", To: "b"}, "a -> b: 0 bytes"},
		{Wire{From: "a", To: "b", Bytes: 999}, "a -> b: 999 bytes"},
		{Wire{From: "a", To: "b", Bytes: 999_700}, "a -> b: 1 MB"},
		{Wire{From: "a", To: "b", Bytes: 42_251_912, BytesPerRow: n(2112.6), USD: n(0.000845)}, "a -> b: 42.3 MB, 2113 bytes a row, $0.00085 between AWS' regions"},
		{Wire{From: "a", To: "b", Bytes: 2_000_000_000_000, USD: n(40)}, "a -> b: 2 TB, $40.00 between AWS' regions"},
		{Wire{From: "a", To: "b", Bytes: 1, USD: n(0)}, "a -> b: 1 bytes, $0.00 between AWS' regions"},
	} {
		if got := tt.w.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
