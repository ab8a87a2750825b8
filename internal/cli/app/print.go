// How crossring speaks, all in this file:
//
//   - stdout carries the answer, as text or as JSON; everything else goes to
//     stderr.
//   - What is said on stderr about the run starts with "crossring: ".
//   - No capital at the start, no full stop at the end.
//   - An error says the operation, its subject and the cause, once each.
//   - A hint is a line of its own, and it is a command to type.
//   - Nothing that others wrote drives the terminal: text goes out through plain.Writer.

package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// printError prints an error and its hint. An error of several lines (problems
// found together) keeps them, indented under the first.
func printError(w io.Writer, err error) {
	text := plain.Lines(strings.TrimSpace(err.Error()))
	lines := strings.Split(text, "\n")
	fmt.Fprintf(w, "crossring: error: %s\n", strings.TrimSpace(lines[0]))
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if hint := HintOf(err); hint != "" {
		fmt.Fprintf(w, "crossring: hint: %s\n", plain.Line(hint))
	}
}

// Note prints one line about the run.
func Note(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "crossring: %s\n", plain.Lines(fmt.Sprintf(format, args...)))
}

// errorObject is the "error" of a JSON document.
type errorObject struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// ErrorJSON is the "error" of a JSON document.
func ErrorJSON(err error) ([]byte, error) {
	return Marshal(errorObject{Code: exitRowOf(err).Code, Message: err.Error(), Hint: HintOf(err)})
}

// WriteJSON writes a document with two spaces of indentation and a newline at
// the end. The schema comes first, whether or not the document has it; the
// other keys stay in the document's own order; an error comes last. The
// document may be nil: then there is only the schema and the error.
func WriteJSON(w io.Writer, doc any, err error) error {
	fields, docErr := jsonFields(doc)
	if docErr != nil {
		return fmt.Errorf("encoding the answer as json: %w", docErr)
	}
	schema, mErr := json.Marshal(topology.Schema)
	if mErr != nil {
		return fmt.Errorf("encoding the schema as json: %w", mErr)
	}
	out := []jsonField{{key: "schema", value: schema}}
	for _, f := range fields {
		switch {
		case f.key == "schema" && bytes.Equal(f.value, []byte(`""`)): // left empty by its maker
		case f.key == "schema":
			out[0].value = f.value
		case f.key == "error" && err != nil: // this one is newer
		default:
			out = append(out, f)
		}
	}
	if err != nil {
		value, mErr := ErrorJSON(err)
		if mErr != nil {
			return fmt.Errorf("encoding an error as json: %w", mErr)
		}
		out = append(out, jsonField{key: "error", value: value})
	}

	to, before := bufio.NewWriterSize(w, 64<<10), "{\n  "
	for _, f := range out {
		key, mErr := Marshal(f.key)
		if mErr != nil {
			return fmt.Errorf("encoding a key as json: %w", mErr)
		}
		to.WriteString(before)
		before = ",\n  "
		to.Write(key)
		to.WriteString(": ")
		f.write(to)
	}
	to.WriteString("\n}\n")
	return to.Flush() // what could not be written before is said here
}
