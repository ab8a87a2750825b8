package failif

import (
	"errors"
	"strings"
	"testing"

	"crossring/internal/fail"
)

func TestExpressions(t *testing.T) {
	known := []string{"certificate.days", "nodes.down"}
	v := func(f float64) *float64 { return &f }
	for _, tt := range []struct {
		text   string
		value  *float64
		breach bool
	}{
		{"certificate.days<30", v(29), true}, {"certificate.days<30", v(30), false}, {"certificate.days<=30", v(30), true},
		{" certificate.days < 30 ", v(-2), true}, {"nodes.down>0", v(0), false}, {"nodes.down>0", v(1), true}, {"nodes.down>=1", v(1), true},
		{"nodes.down==2", v(2), true}, {"nodes.down!=0", v(0), false}, {"nodes.down!=0", v(3), true}, {"certificate.days<1e3", v(397), true},
	} {
		e, err := Parse([]string{tt.text}, known)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		got, err := Check(e, map[string]*float64{"certificate.days": tt.value, "nodes.down": tt.value})
		var breach *BreachError
		if errors.As(err, &breach) != tt.breach || (len(got) == 1) != tt.breach || tt.breach && (fail.CodeOf(err) != fail.ExitData || got[0].Value != *tt.value || got[0].Expression != tt.text) {
			t.Errorf("%q of %v: %v, %v", tt.text, *tt.value, got, err)
		}
	}
	for text, why := range map[string]string{
		"": "it is written", "certificate.days": "it is written", "certificate.days=30": "there are <", "certificate.days!30": "there are <",
		"certificate.day<30": "no figure", "<30": "no figure", "certificate.days<": "no number", "certificate.days<NaN": "no number",
		"certificate.days<inf": "no number", "certificate.days<30 days": "no number", "certificate.days<<30": "no number",
	} {
		if _, err := Parse([]string{text}, known); err == nil || !strings.Contains(err.Error(), why) || fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
	e, err := Parse([]string{"certificate.days<30", "nodes.down>0"}, known)
	if err != nil {
		t.Fatal(err)
	}
	var unknown *UnknownError
	if got, err := Check(e, map[string]*float64{"nodes.down": v(0)}); !errors.As(err, &unknown) || len(got) != 0 {
		t.Errorf("not known: %v, %v", got, err)
	}
	if got, err := Check(e, map[string]*float64{"nodes.down": v(1)}); fail.CodeOf(err) != fail.ExitData || len(got) != 1 {
		t.Errorf("not known, and another one that holds: %v, %v", got, err)
	}
}
