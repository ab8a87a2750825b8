package scripts

import (
	"strings"
	"testing"
)

// What govulncheck finds fails the run. That its database can't be reached is said, and
// nothing else passes for that.
func TestVuln(t *testing.T) {
	const unreachable = `echo "govulncheck: fetching vulnerabilities: Get \"https://x/index\": no such host"; exit 1`
	for _, c := range []struct {
		name, tool string
		env        []string
		status     int
		says       string
	}{
		{name: "nothing found", tool: "echo No vulnerabilities found.", says: "No vulnerabilities found."},
		{name: "something found", tool: "echo GO-2026-0001; exit 3", status: 1, says: "GO-2026-0001"},
		{name: "does not compile", tool: "echo undefined: x; exit 1", status: 1, says: "undefined: x"},
		{name: "no database", tool: unreachable, says: `not checked for known vulnerabilities: https://vuln.go.dev can't be reached (Get "https://x/index": no such host)`},
		{name: "not even the one that is named", tool: unreachable, env: []string{"GOVULNDB=file:///none"}, says: "file:///none can't be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, log := run(t, fakes{"go": c.tool}, c.env, "vuln.sh")
			if status != c.status || !strings.Contains(out, c.says) || log != "go tool govulncheck ./...\n" {
				t.Errorf("exit %d, want %d and %q\n%s\ncalled %s", status, c.status, c.says, out, log)
			}
		})
	}
}
