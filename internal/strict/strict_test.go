package strict

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestLoad(t *testing.T) {
	n, problem := Load([]byte("a: 1\nb: [x]\n"), "a spec")
	if problem != nil || n.Kind != yaml.MappingNode || len(n.Content) != 4 || n.Content[2].Line != 2 {
		t.Errorf("%+v, %+v", n, problem)
	}
	for text, want := range map[string]Problem{
		"":                  {0, "is empty"},
		" \n\t\n":           {0, "is empty"},
		"# nothing\n":       {0, "not YAML: "},
		"a: 1\nb: [\n":      {3, "not YAML: "},
		"a: 1\n---\nb: 2\n": {0, ""},
	} {
		n, problem := Load([]byte(text), "a spec")
		if problem == nil || n != nil || !strings.HasPrefix(problem.Message, want.Message) || want.Line > 0 && problem.Line == 0 {
			t.Errorf("%q: %+v, %+v", text, n, problem)
		}
	}
	if _, problem := Load(bytes.Repeat([]byte("#"), MaxBytes+1), "a spec"); problem == nil || !strings.HasSuffix(problem.Message, "not a spec") {
		t.Errorf("%+v", problem)
	}
}
