package release

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// patch is the last number of a version.
func patch(t *testing.T, version string) int {
	t.Helper()
	n, err := strconv.Atoi(version[strings.LastIndex(version, ".")+1:])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A cluster that another crossring made may have another patch release.
func TestOf(t *testing.T) {
	for _, rel := range All() {
		for _, version := range []string{rel.Version, rel.Series + ".0", rel.Series + ".999"} {
			got, err := Of(version)
			if err != nil || got.Series != rel.Series || got.Version != version || got.Main != rel.Main {
				t.Errorf("%s: %s of %s, %v", version, got.Version, got.Series, err)
			}
			if _, err := Find(version); (err == nil) != (version == rel.Version) {
				t.Errorf("find %s: %v", version, err)
			}
		}
		for i, version := range rel.Patches {
			got, err := Find(version)
			if err != nil || got.Version != version || got.Series != rel.Series || got.Main != rel.Main {
				t.Errorf("find %s: %s of %s, %v", version, got.Version, got.Series, err)
			}
			if !strings.HasPrefix(version, rel.Series+".") {
				t.Errorf("%s is not of series %s", version, rel.Series)
			}
			if i > 0 && patch(t, rel.Patches[i-1]) <= patch(t, version) {
				t.Errorf("%s: the newest is first: %q", rel.Series, rel.Patches)
			}
		}
		if got, err := Find(rel.Series); err != nil || got.Version != rel.Patches[0] || rel.Version != rel.Patches[0] {
			t.Errorf("series %s is %s, %v; want the newest of %q", rel.Series, got.Version, err, rel.Patches)
		}
	}
	var unknown *UnknownError
	for _, version := range []string{"", "0.8.1", "5.01.1", "6.0.0", "5"} {
		if _, err := Of(version); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", version, err)
		}
	}
}
