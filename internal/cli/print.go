// How crossring speaks, all in this file:
//
//   - stdout carries the answer, as text or as JSON; everything else goes to
//     stderr.
//   - What is said on stderr about the run starts with "crossring: ".
//   - No capital at the start, no full stop at the end.
//   - An error says the operation, its subject and the cause, once each.
//   - A hint is a line of its own, and it is a command to type.

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"crossring/internal/topology"
)

// printError prints an error and its hint. An error of several lines (problems
// found together) keeps them, indented under the first.
func printError(w io.Writer, err error) {
	text := strings.TrimSpace(err.Error())
	lines := strings.Split(text, "\n")
	fmt.Fprintf(w, "crossring: error: %s\n", strings.TrimSpace(lines[0]))
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "crossring: hint: %s\n", hint)
	}
}

// note prints one line about the run.
func note(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "crossring: "+format+"\n", args...)
}

// errorObject is the "error" of a JSON document.
type errorObject struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
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
	out := []jsonField{{"schema", schema}}
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
		value, mErr := marshal(errorObject{Code: exitRowOf(err).Code, Message: err.Error(), Hint: hintOf(err)})
		if mErr != nil {
			return fmt.Errorf("encoding an error as json: %w", mErr)
		}
		out = append(out, jsonField{"error", value})
	}

	var flat, pretty bytes.Buffer
	flat.WriteByte('{')
	for i, f := range out {
		if i > 0 {
			flat.WriteByte(',')
		}
		key, mErr := marshal(f.key)
		if mErr != nil {
			return fmt.Errorf("encoding a key as json: %w", mErr)
		}
		flat.Write(key)
		flat.WriteByte(':')
		flat.Write(f.value)
	}
	flat.WriteByte('}')
	if iErr := json.Indent(&pretty, flat.Bytes(), "", "  "); iErr != nil {
		return fmt.Errorf("indenting the answer: %w", iErr)
	}
	pretty.WriteByte('\n')
	_, wErr := w.Write(pretty.Bytes())
	return wErr
}

type jsonField struct {
	key   string
	value json.RawMessage
}

// jsonFields splits a document into its keys and values, in order.
func jsonFields(doc any) ([]jsonField, error) {
	if doc == nil {
		return nil, nil
	}
	data, err := marshal(doc)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(data, []byte("null")) { // a nil pointer
		return nil, nil
	}
	if data[0] != '{' {
		return nil, fmt.Errorf("%T is not an object", doc)
	}
	var fields []jsonField
	for rest := data[1:]; rest[0] != '}'; {
		end := stringEnd(rest)
		var key string
		if err := json.Unmarshal(rest[:end], &key); err != nil {
			return nil, err
		}
		rest = rest[end+1:] // the colon
		end = valueEnd(rest)
		fields = append(fields, jsonField{key, json.RawMessage(rest[:end])})
		if rest = rest[end:]; rest[0] == ',' {
			rest = rest[1:]
		}
	}
	return fields, nil
}

// stringEnd is where the string ends that data begins with. Like valueEnd it reads
// what the encoder has just written, without blanks, and does not check it again:
// documents of many nodes are tens of megabytes.
func stringEnd(data []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(data[i:], '"')
		escapes := 0
		for data[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd is where the value ends that data begins with, inside an object.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; ; {
		switch data[i] {
		case '"':
			i += stringEnd(data[i:])
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
}

// marshal is json.Marshal that leaves <, > and & as they are: the documents
// are read by programs and people, not put into HTML.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}
