package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme types the first steps of the README, and then the commands of docs/using.md, as
// they stand there. A line may fail only where the page says with which exit code.
func TestReadme(t *testing.T) {
	needLong(t)
	beside(t, 2)
	user := t.TempDir()
	r := &reader{home: home{state: filepath.Join(user, ".local", "state", "crossring")}, user: user}
	t.Cleanup(func() { r.takeDown(t, "local") })
	if err := os.CopyFS(filepath.Join(user, "examples"), os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	// The page's own spec, of which it says only that it is there.
	spec, err := os.ReadFile("../examples/local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(user, "cluster.yaml"), spec, 0o644); err != nil {
		t.Fatal(err)
	}
	exits := regexp.MustCompile(`# exit code (\d+)`)
	typed := 0
	for _, part := range []struct{ page, title string }{{"README.md", "First steps"}, {"docs/using.md", "The commands"}} {
		text, err := os.ReadFile(filepath.Join("..", part.page))
		if err != nil {
			t.Fatal(err)
		}
		_, body, found := strings.Cut(string(text), "\n## "+part.title+"\n")
		if !found {
			t.Fatalf("%s has no part %q", part.page, part.title)
		}
		body, _, _ = strings.Cut(body, "\n## ")
		for line := range strings.Lines(body) {
			command, code := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
			if !code || !strings.HasPrefix(command, "crossring ") {
				continue
			}
			want := "0"
			if m := exits.FindStringSubmatch(command); m != nil {
				want = m[1]
			}
			out := r.types(t, "("+command+"\n); echo exit code $?")
			if !strings.HasSuffix(strings.TrimSpace(out), "exit code "+want) && (want == "0" || !strings.HasSuffix(strings.TrimSpace(out), "exit code 0")) {
				t.Errorf("%s: %s", part.page, command)
			}
			typed++
		}
	}
	if typed < 20 {
		t.Errorf("only %d commands", typed)
	}
}
