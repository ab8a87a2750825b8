package tokens

import (
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// Document is the JSON form of a ring's tokens.
type Document struct {
	Schema      string               `json:"schema"` // "crossring/v1"
	Partitioner Partitioner          `json:"partitioner"`
	Strategy    Strategy             `json:"strategy"`
	Datacenters []DocumentDatacenter `json:"datacenters"`
}

// DocumentDatacenter is one datacenter: its tokens as decimal strings, ascending.
type DocumentDatacenter struct {
	Name   string   `json:"name"`
	Tokens []string `json:"tokens"`
}

// NewDocument makes the JSON form of what Generate returned. Datacenters that
// names does not reach are called DC1, DC2 and so on by their place.
func NewDocument(p Partitioner, s Strategy, names []string, ring [][]*big.Int) Document {
	doc := Document{Schema: "crossring/v1", Partitioner: p, Strategy: s, Datacenters: make([]DocumentDatacenter, len(ring))}
	for k, places := range ring {
		name := "DC" + strconv.Itoa(k+1)
		if k < len(names) {
			name = names[k]
		}
		doc.Datacenters[k] = DocumentDatacenter{Name: name, Tokens: Strings(places)}
	}
	return doc
}

// Strings are the tokens in decimal.
func Strings(places []*big.Int) []string {
	list := make([]string, len(places))
	for i, t := range places {
		list[i] = t.String()
	}
	return list
}

// Write prints the tokens as Cassandra's token-generator does: a line per node
// under a line per datacenter, the tokens flush right.
func Write(w io.Writer, p Partitioner, ring [][]*big.Int) error {
	var b strings.Builder
	width := len(p.Size().String()) + 1
	for k, places := range ring {
		fmt.Fprintf(&b, "DC #%d:\n", k+1)
		digits := len(strconv.Itoa(len(places)))
		for i, t := range places {
			fmt.Fprintf(&b, "  Node #%0*d: %*s\n", digits, i+1, width, t)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
