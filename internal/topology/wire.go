package topology

import (
	"fmt"
	"math"
	"strconv"
)

// Wire is what passes from one region to another: as counted, or, of a plan, at least.
type Wire struct {
	From  string `json:"from"` // region
	To    string `json:"to"`
	Bytes int64  `json:"bytes"`
	// BytesPerRow is for each row of the load; nil where there was none.
	BytesPerRow *float64 `json:"bytes_per_row"`
	// USD is what AWS asks for that between these regions; nil where no price is known.
	USD *float64 `json:"usd"`
}

// String is as people write it: "east -> west: 2.2 MB, 2168 bytes a row, $0.00004".
func (w Wire) String() string {
	s := WayKey(w.From, w.To) + ": " + size(w.Bytes)
	if w.BytesPerRow != nil {
		s += fmt.Sprintf(", %.0f bytes a row", *w.BytesPerRow)
	}
	if w.USD != nil {
		s += ", " + dollars(*w.USD) + " between AWS' regions"
	}
	return s
}

// size is a number of bytes in the decimal units that transfer is paid in.
func size(bytes int64) string {
	v, units := float64(bytes), []string{"bytes", "kB", "MB", "GB", "TB"}
	for len(units) > 1 && v >= 999.5 {
		v, units = v/1000, units[1:]
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + units[0]
}

// dollars has two digits that say something, also of much less than a cent.
func dollars(usd float64) string {
	if usd >= 1 || usd == 0 {
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + strconv.FormatFloat(usd, 'f', int(math.Ceil(-math.Log10(usd)))+1, 64)
}
