package awsfault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/test/harness"
)

// TestDownOfDamagedClusters loses and damages what a cluster on EC2 is known by, and
// takes it down: afterwards EC2 has nothing of it, or what it has is named and what
// leads to it is still there.
func TestDownOfDamagedClusters(t *testing.T) {
	b := newBench(t, withoutOperator)
	b.proxy.Arm(nil)
	y := newTypist(t)
	file, dir := y.spec(withoutOperator), filepath.Join(y.state, "clusters", "fault")
	inventories := []string{"inventory.json", "inventory.copy.json"}
	const state, log, key = "ec2.json", "ec2.journal", "id_ed25519"

	lose := os.Remove
	as := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	before := func(text string) func(string) error {
		return func(path string) error {
			data, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, append([]byte(text), data...), 0o600))
		}
	}
	newer := func(path string) error {
		data, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path, bytes.ReplaceAll(data, []byte("crossring/v1"), []byte("crossring/v9")), 0o600))
	}
	cases := []struct {
		what   string
		files  []string
		damage func(path string) error
		code   int
		says   string
	}{
		{"inventory lost", inventories, lose, 0, ""},
		{"inventory empty", inventories, as(""), 0, ""},
		{"inventory {}", inventories, as("{}"), 0, ""},
		{"inventory newer", inventories, newer, 7, "newer crossring"},
		{"state lost", []string{state}, lose, 0, ""},
		{"state null", []string{state}, as("null"), 0, ""},
		{"state newer", []string{state}, newer, 7, "newer crossring"},
		{"journal lost", []string{log}, lose, 0, ""},
		{"journal random", []string{log}, as("\x00\xffPK\n\x00\n"), 0, ""},
		{"journal with a bad line", []string{log}, before("[1]\n"), 0, ""},
		{"journal newer", []string{log}, newer, 7, "newer crossring"},
		{"all but the journal lost", append([]string{state, "spec.json", key}, inventories...), lose, 0, ""},
		{"all but the state lost", append([]string{log, "spec.json", key}, inventories...), lose, 0, ""},
		{"all nonsense, and a journal with a bad line", append([]string{state, "spec.json", key}, inventories...), as("[1]"), 0, "journal"},
		{"all but the spec lost", append([]string{state, log, key}, inventories...), lose, 5, "crossring --state " + y.state + " down fault --ec2"},
	}
	slow := []string{"inventory empty", "inventory {}", "inventory newer", "state lost", "state newer", "journal lost", "journal with a bad line"}
	for _, c := range cases {
		if slices.Contains(slow, c.what) && !harness.Long() {
			continue // much like another one; all of them in make test-long
		}
		t.Run(c.what, func(t *testing.T) {
			y := y
			y.t = t
			y.run(0, "up", "-f", file, "--operator-cidr", "198.18.255.4/32", "--until", "provision")
			whole := contents(t, dir)
			for _, f := range c.files {
				if err := c.damage(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
			if c.says == "journal" {
				if err := before("{\n")(filepath.Join(dir, log)); err != nil {
					t.Fatal(err)
				}
			}
			was := contents(t, dir)
			// Without credentials nothing can be known, and nothing goes.
			blind := y
			blind.env = []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
			said := blind.run(7, "down", "fault", "--yes", "--no-collect")
			now := contents(t, dir)
			for name, data := range was {
				// A journal that can't be read is set aside, and is still there.
				if now[name] != data && now[name+".damaged"] != data {
					t.Errorf("without credentials %s was touched: %s", name, said)
				}
			}
			out := y.run(c.code, "down", "fault", "--yes", "--no-collect")
			if c.code == 0 {
				b.none(t)
				if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the directory is left: %v", err)
				}
				return
			}
			if !strings.Contains(out, c.says) {
				t.Errorf("want %q: %s", c.says, out)
			}
			if got := b.made(t); got["us-east-1 instance"] != 1 || got["us-west-2 instance"] != 1 {
				t.Errorf("something was removed: %v", got)
			}
			// The way out: the tags, where they are all that is left, or what was newer put right.
			if c.code == 5 {
				y.run(0, "down", "fault", "--ec2", "--yes", "--region", "us-east-1", "--region", "us-west-2")
			} else {
				for name, data := range whole {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			y.run(0, "down", "fault", "--yes", "--no-collect")
			b.none(t)
		})
	}
}

// contents are the files of a directory, without those of directories in it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.IsDir() })
	all := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}
