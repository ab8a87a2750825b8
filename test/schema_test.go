package test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"crossring/internal/schema"
)

// fitsSchema holds a real answer against the schema that crossring publishes of it.
func fitsSchema(t *testing.T, name string, answer []byte) {
	t.Helper()
	data, err := schema.Of(name)
	if err != nil {
		t.Error(err)
		return
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Error(err)
		return
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Error(err)
		return
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Error(err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("an answer that its own schema does not take: %v", err)
	}
}
