package spec

import (
	"strconv"
	"strings"

	"crossring/internal/near"
)

// indexed is the path of an item of a list.
func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// partitioner gives the short class name of a partitioner that is named by class,
// with or without its package, or by its first word.
func partitioner(name string) (string, bool) {
	plain := func(s string) string { return strings.TrimSuffix(strings.ToLower(s), "partitioner") }
	for _, p := range partitioners {
		if plain(strings.TrimPrefix(name, "org.apache.cassandra.dht.")) == plain(p) {
			return p, true
		}
	}
	return name, false
}

// didYouMean proposes the known word that is nearest to a wrong one, if one is near.
func didYouMean(wrong string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(k)); d < least && d*2 <= len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// distance is near.Edits where it may be less than 3; what is longer or shorter by as
// much is not compared.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	return near.Edits(a, b)
}
