// Package releasetest names Cassandra releases for tests that are not about one of
// them: what stands there goes on being true with the next one.
package releasetest

import "crossring/internal/release"

// Newest is the newest release: the one that a spec gets that names none.
func Newest() string { return release.Newest().Version }

// Oldest is the release of the oldest series.
func Oldest() string { return release.All()[0].Version }

// All are the newest release of every series, oldest series first.
func All() []string {
	var all []string
	for _, r := range release.All() {
		all = append(all, r.Version)
	}
	return all
}

// Of is the newest release of a series: for tests that are about the series.
func Of(series string) string {
	r, err := release.Find(series)
	if err != nil {
		panic(err) // a series that is not there is a fault of the test
	}
	return r.Version
}

// Patched is a release that has a newer one in its series, and that one.
func Patched() (older, newest string) {
	for _, r := range release.All() {
		if len(r.Patches) > 1 {
			older, newest = r.Patches[1], r.Patches[0]
		}
	}
	if older == "" {
		panic("no series has two releases with a lock")
	}
	return older, newest
}
