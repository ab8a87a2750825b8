// Package strict reads the text of a YAML file into the tree of its one document. What the
// keys are, and what may stand behind them, is for whoever asked.
package strict

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxBytes bounds a file: the largest useful one is a few kilobytes.
const MaxBytes = 1 << 20

// Problem is why there is no tree.
type Problem struct {
	Line    int // from 1; 0 when it is not known
	Message string
}

// Load reads a file that is called kind when it is too large: "a spec".
func Load(data []byte, kind string) (*yaml.Node, *Problem) {
	if len(data) > MaxBytes {
		return nil, &Problem{Message: fmt.Sprintf("larger than %d bytes: not %s", MaxBytes, kind)}
	}
	if strings.TrimSpace(string(data)) == "" {
		return nil, &Problem{Message: "is empty"}
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		p := &Problem{Message: strings.TrimPrefix(err.Error(), "yaml: ")}
		var at *yaml.LoadError
		if errors.As(err, &at) {
			p.Line, p.Message = at.Mark.Line, "not YAML: "+strings.TrimPrefix(at.Message, "yaml: ")
		}
		return nil, p
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, &Problem{Message: "is empty"}
	}
	return doc.Content[0], nil
}
