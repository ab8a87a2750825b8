package prepare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A machine that brings itself up to date at its first boot holds apt's lists: the update
// is tried again. One that fails for another reason is tried three times.
func TestAptWaits(t *testing.T) {
	for name, c := range map[string]struct {
		fails string // first calls of update that fail
		held  string // "0" is held
		calls int
		ok    bool
	}{
		"at once":          {"0", "1", 2, true},
		"held for a while": {"7", "0", 9, true},
		"failed twice":     {"2", "1", 4, true},
		"fails":            {"99", "1", 3, false},
		"held for ever":    {"99", "0", 63, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			calls := filepath.Join(dir, "calls")
			apt := `case "$*" in
*update*) echo update >>"` + calls + `"; [ $(grep -c update "` + calls + `") -gt ` + c.fails + ` ];;
*) echo "$*" >>"` + calls + `";;
esac`
			for command, body := range map[string]string{"apt-get": apt, "sleep": "exit 0", "cloud-init": "exit 2"} {
				if err := os.WriteFile(filepath.Join(dir, command), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			_, err := (here{}).Script(t.Context(), "install", aptScript+"held() { return "+c.held+"; }\napt_install a-package\n")
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			data, _ := os.ReadFile(calls)
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			if len(lines) != c.calls || c.ok && !strings.HasSuffix(lines[len(lines)-1], "a-package") {
				t.Errorf("%d calls, the last %q", len(lines), lines[len(lines)-1])
			}
		})
	}
}

func TestHeld(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	held := func() bool {
		t.Helper()
		_, err := (here{}).Script(t.Context(), "look", aptScript+`held "$1"`, file)
		return err == nil
	}
	if held() {
		t.Error("what is not there is held")
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if held() {
		t.Error("held by nobody")
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	if !held() {
		t.Error("not held")
	}
}
