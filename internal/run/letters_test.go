package run

import (
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"

	"crossring/internal/plan"
	"crossring/internal/release"
	"crossring/internal/settings"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/yamlgen"

	"go.yaml.in/yaml/v4"
)

// Whatever cluster_name and settings a plan takes, the files of every release can be
// written and say the same: what a version can't take is known before anything is made.
func TestNamesReachTheFiles(t *testing.T) {
	letters := []rune("aZ 0_-.'\"`$`{}[]()<>:;,#%&*!|>@?/\\~^=+üßñЖ日本語\u00a0\u2028\u202e\ufeff\u0000\t\n\r\u001b\u007f\u0085🎉𝕏")
	parts := []string{"${HOME}", "%s", "\\u0041", "yes", "null", "1e3", ": ", " #", "- ", "'", "''", "--", "*/"}
	layout := topology.Layout{Root: "/n", Conf: "/n/conf", Data: "/n/data", Commitlog: "/n/cl", SavedCaches: "/n/sc", Hints: "/n/h", CDC: "/n/cdc", Log: "/n/log", Tmp: "/n/tmp", Home: "/n"}
	tries := 300
	if os.Getenv("CROSSRING_LONG") != "" {
		tries = 3000
	}
	for i, rel := range release.All() {
		t.Run(rel.Version, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			word := func() string {
				var b strings.Builder
				for range 1 + rng.IntN(8) {
					if rng.IntN(4) == 0 {
						b.WriteString(parts[rng.IntN(len(parts))])
					} else {
						b.WriteRune(letters[rng.IntN(len(letters))])
					}
				}
				return b.String()
			}
			text, nested, around := anyText(t, rel)
			taken, refused := 0, 0
			for range tries {
				s := spec.Spec{
					Name: "a", Cassandra: rel.Version, ClusterName: word(), Regions: []spec.Region{{Region: "us-east-1"}},
					Settings: map[string]any{text: word(), nested: around([]any{word(), map[string]any{word(): word()}})},
				}
				p, err := plan.Build(s)
				if err != nil {
					refused++
					continue
				}
				taken++
				inv := topology.Inventory{Plan: p, Nodes: p.Nodes}
				n := &inv.Nodes[0]
				n.PrivateAddress, n.PublicAddress, n.Layout = "127.0.0.1", "127.0.0.2", layout
				files, err := yamlgen.Render(inv, *n, yamlgen.Env{ClassPath: []string{"/a.jar"}, Java: "/java"})
				if err != nil {
					t.Fatalf("the plan takes %q, %q and the files do not: %v", s.ClusterName, s.Settings, err)
				}
				var doc map[string]any
				if path.Base(files[0].Path) != yamlgen.CassandraYAML {
					t.Fatalf("first is %s", files[0].Path)
				}
				if err := yaml.Unmarshal(files[0].Data, &doc); err != nil {
					t.Fatalf("%q, %q: %v", s.ClusterName, s.Settings, err)
				}
				if doc["cluster_name"] != s.ClusterName || doc[text] != s.Settings[text] {
					t.Fatalf("%q came out as %q, %q as %q", s.ClusterName, doc["cluster_name"], s.Settings[text], doc[text])
				}
			}
			if taken < tries/20 || refused < tries/20 {
				t.Errorf("%d taken, %d refused: the words are not what this is for", taken, refused)
			}
		})
	}
}

// anyText finds a key whose value may be any text, and one whose value may be any list or has
// one in it.
func anyText(t *testing.T, rel release.Release) (text, nested string, around func([]any) any) {
	t.Helper()
	takes := func(key string, v any) bool {
		_, err := plan.Build(spec.Spec{Name: "a", Cassandra: rel.Version, Regions: []spec.Region{{Region: "us-east-1"}}, Settings: map[string]any{key: v}})
		return err == nil
	}
	list := []any{"b", map[string]any{"c": "d"}}
	forms := []func([]any) any{
		func(list []any) any { return list },
		func(list []any) any { return map[string]any{"weights": map[string]any{"a": list}} },
		func(list []any) any { return map[string]any{"class_name": "A", "parameters": list} },
	}
	for _, key := range settings.Keys(rel.Version) {
		if text == "" && takes(key, "any text") {
			text = key
		}
		for _, form := range forms {
			if nested == "" && key != text && takes(key, form(list)) {
				nested, around = key, form
			}
		}
	}
	if text == "" || nested == "" {
		t.Fatalf("%s: no key takes any text (%q) or any list (%q)", rel.Version, text, nested)
	}
	return text, nested, around
}
