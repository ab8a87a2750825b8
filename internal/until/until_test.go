package until

import (
	"strings"
	"testing"
)

func TestSteps(t *testing.T) {
	all := []Step{Plan, Provision, Render, Deploy, Start, Ready}
	for i, name := range Steps() {
		s, err := ParseStep(name)
		if err != nil || s != all[i] || s.String() != name {
			t.Errorf("%s: %v, %v", name, s, err)
		}
		for j, other := range all {
			if s.Reaches(other) != (i >= j) {
				t.Errorf("until %s, %s is done: %v", s, other, s.Reaches(other))
			}
		}
	}
	var nothing Step // was said
	if s, err := ParseStep(""); err != nil || s != Ready || nothing.String() != "ready" || !nothing.Reaches(Ready) {
		t.Errorf("%v, %v, %v", s, err, nothing)
	}
	for _, bad := range []string{"Plan", "stop", " plan"} {
		if _, err := ParseStep(bad); err == nil || !strings.Contains(err.Error(), "plan, provision, render, deploy, start, ready") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPhases(t *testing.T) {
	for name, want := range map[string]Phase{"": 0, "trust": Trust, "certificates": Certificates} {
		if p, err := ParsePhase(name); err != nil || p != want || p.String() != name {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
	if _, err := ParsePhase("ready"); err == nil || !strings.Contains(err.Error(), "trust or certificates") {
		t.Errorf("%v", err)
	}
}
