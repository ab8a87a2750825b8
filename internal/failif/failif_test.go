package failif

import (
	"errors"
	"strings"
	"testing"

	"crossring/internal/fail"
)

func TestExpressions(t *testing.T) {
	known := Names("certificate.days", "nodes.down")
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

func TestUnits(t *testing.T) {
	known := Known{
		Units:  map[string]Unit{"read.p99": Millis, "write.rate": PerSecond, "write.rate.change": Share},
		Absent: map[string]string{"write.response.p99": "nothing is due without --rate"},
	}
	for text, want := range map[string]float64{
		"read.p99>20ms": 20, "read.p99>20": 20, "read.p99 > 1.5s": 1500, "read.p99>=500us": 0.5, "read.p99>500µs": 0.5, "read.p99>0": 0, "read.p99>1m30s": 90_000,
		"write.rate<8000": 8000, "write.rate<8000/s": 8000, "write.rate<8e3 /s": 8000, "write.rate.change<-5%": -0.05, "write.rate.change < -0.05": -0.05,
	} {
		e, err := Parse([]string{text}, known)
		if err != nil || len(e) != 1 || e[0].Limit != want || e[0].Text != text {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
	for text, why := range map[string]string{
		"read.p99>20 parsecs": "as in 20 or 20ms", "write.rate<8000ms": "as in 8000 or 8000/s", "write.rate.change<5pp": "as in 0.05 or 5%",
		"write.rate.change<%": "as in 0.05", "read.p99>Inf": "no number", "write.response.p99>1ms": "nothing is due without --rate", "lag.p99>1": "there are read.p99, write.rate, write.rate.change",
	} {
		if _, err := Parse([]string{text}, known); err == nil || !strings.Contains(err.Error(), why) || fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
	// All that is wrong is said at once.
	if _, err := Parse([]string{"a<1", "read.p99>1", "b<1"}, known); err == nil || !strings.Contains(err.Error(), "a<1") || !strings.Contains(err.Error(), "b<1") {
		t.Errorf("two that are wrong: %v", err)
	}
}

// Of a figure that is only known to be at least so much, that is enough to fail, and not to pass.
func TestBounds(t *testing.T) {
	at := func(text string) ([]Breach, error) {
		e, err := Parse([]string{text}, Names("lag.p999"))
		if err != nil {
			t.Fatal(err)
		}
		return CheckBounds(e, map[string]*float64{"lag.p999": nil}, map[string]*float64{"lag.p999": new(5000.)})
	}
	if b, err := at("lag.p999>500"); fail.CodeOf(err) != fail.ExitData || len(b) != 1 || b[0].Value != 5000 {
		t.Errorf("%v, %v", b, err)
	}
	for _, text := range []string{"lag.p999>6000", "lag.p999<6000", "lag.p999==5000", "lag.p999!=1"} {
		var unknown *UnknownError
		if b, err := at(text); !errors.As(err, &unknown) || len(b) != 0 {
			t.Errorf("%s: %v, %v", text, b, err)
		}
	}
}
