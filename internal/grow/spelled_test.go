package grow

import (
	"strings"
	"testing"

	"crossring/internal/cluster"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
)

// A spec that names a series is that of a cluster which an earlier crossring made with
// an older release of it, and so is the spec that names that release.
func TestSpelledOutReleases(t *testing.T) {
	older, newer := releasetest.Patched()
	rel, err := release.Find(older)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		have, made, want string
		differs          string
	}{
		{rel.Series, older, rel.Series, ""},
		{rel.Series, older, older, ""},
		{rel.Series, newer, newer, ""},
		{older, older, older, ""},
		{rel.Series, older, newer, `cassandra: "` + older + `" → "` + newer + `"`},
		{older, older, rel.Series, `cassandra: "` + older + `" → "` + newer + `"`},
	} {
		s := spec.Spec{Name: "gk", Cassandra: tt.have, Regions: []spec.Region{{Region: "us-east-1"}, {Region: "us-west-2"}}}
		spec.Defaults(&s)
		made, err := cluster.Plan(s)
		if err != nil {
			t.Fatal(err)
		}
		made.Version = tt.made // as the crossring of then planned it
		want := s
		want.Cassandra = tt.want
		planned, err := cluster.Plan(want)
		if err != nil {
			t.Fatal(err)
		}
		diff, err := spec.Diff(spelledOut(s, made, want, planned))
		if err != nil || strings.Join(diff, ", ") != tt.differs {
			t.Errorf("%s, made as %s, to %s: %q, %v; want %q", tt.have, tt.made, tt.want, diff, err, tt.differs)
		}
	}
}
