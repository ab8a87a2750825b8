package templates

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v4"
)

func names(t *testing.T) []string {
	t.Helper()
	all, err := fs.Glob(FS, "*")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("%d templates: %v", len(all), all)
	}
	return all
}

// Every source is a valid file of its kind before anything is filled in.
func TestSourcesAreValidFiles(t *testing.T) {
	for _, name := range names(t) {
		data, err := FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch path.Ext(name) {
		case ".yaml":
			var doc map[string]any
			if err := yaml.Unmarshal(data, &doc); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, key := range []string{"cluster_name", "partitioner", "data_file_directories", "seed_provider", "endpoint_snitch"} {
				if _, ok := doc[key]; !ok {
					t.Errorf("%s: no %s", name, key)
				}
			}
		case ".xml":
			dec := xml.NewDecoder(bytes.NewReader(data))
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
					break
				}
			}
		case ".properties", ".service":
			lineIs(t, name, data, regexp.MustCompile(`^(#.*|\[[A-Z][a-z]+\]|[A-Za-z0-9_.]+=.*)?$`))
		case ".options":
			lineIs(t, name, data, regexp.MustCompile(`^(#.*|"[^"\\]*")?$`))
		default:
			t.Errorf("%s: no check for this kind of file", name)
		}
	}
}

func lineIs(t *testing.T, name string, data []byte, want *regexp.Regexp) {
	t.Helper()
	for n, line := range strings.Split(string(data), "\n") {
		if !want.MatchString(line) {
			t.Errorf("%s:%d: %s", name, n+1, line)
		}
	}
}

// A string of the plan reaches a file only through a function that quotes it.
func TestStringsAreQuoted(t *testing.T) {
	// What is printed bare is a number or a boolean, and never text.
	bare := regexp.MustCompile(`^(\.(NumTokens|Bootstrap|ListenBoth|StartRPC|ClientTLS|StoragePort|SSLStoragePort|NativePort|RPCPort|JolokiaPort)|or \.[A-Za-z]+MS [0-9]+)$`)
	quoted := regexp.MustCompile(`^(yq|aq|pq|uq|ux|up|xq) `)
	control := regexp.MustCompile(`^(if|else if|range) \.[A-Za-z0-9]+$|^(else|end)$`)
	action := regexp.MustCompile(regexp.QuoteMeta(Left) + `(.*?)` + regexp.QuoteMeta(Right))
	for _, name := range names(t) {
		data, err := FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range action.FindAllSubmatch(data, -1) {
			if a := strings.TrimSpace(string(m[1])); !bare.MatchString(a) && !quoted.MatchString(a) && !control.MatchString(a) {
				t.Errorf("%s: %s is printed without quotes", name, m[0])
			}
		}
	}
}

// Two keys of one name are settled silently by the older parsers.
func TestNoKeyTwice(t *testing.T) {
	key := regexp.MustCompile(`(?m)^([a-z_0-9]+):`)
	for _, name := range names(t) {
		if path.Ext(name) != ".yaml" {
			continue
		}
		data, err := FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, m := range key.FindAllSubmatch(data, -1) {
			if k := string(m[1]); seen[k] {
				t.Errorf("%s: %s stands twice", name, k)
			} else {
				seen[k] = true
			}
		}
	}
}

func TestSourcesParse(t *testing.T) {
	quote := func(any) string { return "" }
	funcs := template.FuncMap{"yq": quote, "aq": quote, "pq": quote, "uq": quote, "ux": quote, "up": quote, "xq": quote, "agentArg": quote, "fileURL": quote}
	for _, name := range names(t) {
		data, err := FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template.New(name).Delims(Left, Right).Funcs(funcs).Parse(string(data)); err != nil {
			t.Error(err)
		}
	}
}
