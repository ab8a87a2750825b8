package spec

import (
	"strconv"
	"strings"
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

// distance counts the letters to insert, delete, replace or swap with their
// neighbour (optimal string alignment) to make b of a; at least 3 when their
// lengths differ by as much.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
