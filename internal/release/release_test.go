package release

import (
	"errors"
	"testing"
)

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
	}
	var unknown *UnknownError
	for _, version := range []string{"", "0.8.1", "5.01.1", "6.0.0", "5"} {
		if _, err := Of(version); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", version, err)
		}
	}
}
