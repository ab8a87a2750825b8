//go:build linux

package awslab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/run"
	"crossring/test/harness"
)

// Host keys come from the instances' consoles, all of them, before anybody connects: a
// host that shows another one is refused at the first connection, and one that
// changes its keys afterwards at the next.
func TestHostKeys(t *testing.T) {
	if !harness.Long() {
		t.Skip("runs in make test-long (CROSSRING_LONG=1): it takes a minute of both processors")
	}
	needLab(t)
	publish(t, oldest)
	o := newOperator(t)
	// In between somebody stands who has another key.
	const another = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEPWCp3TVmhfxmJJSzYmL1RAOLY3P967h3UzPCDrCQo5"
	real := world.lab.proxy.Console
	world.lab.proxy.Console = func(instance string) string {
		text := real(instance)
		if !strings.Contains(text, "-----END SSH HOST KEY KEYS-----") {
			return text
		}
		return "-----BEGIN SSH HOST KEY KEYS-----\n" + another + "\n-----END SSH HOST KEY KEYS-----\n"
	}
	t.Cleanup(func() {
		world.lab.proxy.Console = real
		o.nothingLeft("lab")
	})
	file := o.spec("lab", oldest, 1)
	r := o.crossring("up", "-f", file, "--until", "deploy", "-o", "json")
	if r.code != fail.ExitFailure || strings.Count(r.stderr, "host key of") < 2 || strings.Contains(r.stderr, "shows no host key") {
		t.Fatalf("hosts with other keys than their consoles say: %s", r)
	}
	o.want(0, "down", "lab", "--yes")
	world.lab.proxy.Console = real

	inv := decode[run.UpResult](t, o.want(0, "up", "-f", file, "--until", "deploy", "-o", "json")).Inventory
	known, err := os.ReadFile(filepath.Join(inv.Remote.Dir, "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range inv.Nodes {
		keys, err := world.lab.Inside(t.Context(), inv.EC2.Hosts[n.Name].Instance, "cut -d ' ' -f 1-2 /etc/ssh/ssh_host_*_key.pub")
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for key := range strings.Lines(keys) {
			want = append(want, fmt.Sprintf("%s %s", n.PublicAddress, strings.TrimSpace(key)))
		}
		var got []string
		for line := range strings.Lines(string(known)) {
			if strings.HasPrefix(line, n.PublicAddress+" ") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if len(want) < 2 || !slices.Equal(got, want) { // of a host that is believed at first sight, one
			t.Errorf("held for %s: %q, want %q", n.Name, got, want)
		}
	}
	o.want(0, "exec", "lab", "--", "true")
	east := inv.Nodes[0]
	if _, err := world.lab.Inside(t.Context(), inv.EC2.Hosts[east.Name].Instance, "rm /etc/ssh/ssh_host_* && ssh-keygen -q -A && systemctl restart ssh"); err != nil {
		t.Fatal(err)
	}
	r = o.want(fail.ExitPartial, "exec", "lab", "--", "true")
	if !strings.Contains(r.stderr, "host key of") || !strings.Contains(r.stderr, east.PublicAddress) || strings.Contains(r.stderr, inv.Nodes[1].PublicAddress) {
		t.Errorf("a changed key: %s", r)
	}
	o.want(0, "down", "lab", "--yes")
}
