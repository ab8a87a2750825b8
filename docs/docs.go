// Package docs has those pages that the program reads itself.
package docs

import _ "embed"

// JSON is docs/json.md: what every document holds.
//
//go:embed json.md
var JSON string
