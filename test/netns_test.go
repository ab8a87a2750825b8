package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/topology"
)

// lab is a network of namespaces: machines in regions, each behind a 1:1 NAT that
// gives it a public address, and an operator behind a router of their own.
//
//	op ── own ── isp ── wan ── m1, m2, m3
//
// The wan's rules stand for security groups, the own router's for the operator's own
// network, a machine's for its own firewall.
type lab struct {
	prefix   string
	machines []labMachine
}

type labMachine struct {
	*sshdtest.Server
	ns, private, public, region, root string
}

const operatorSeenAs = "192.0.2.2"

// ns is the whole name of a namespace.
func (l *lab) ns(name string) string { return l.prefix + name }

// newLab makes a lab, or skips the test where that can't be done.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not possible here: network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("network namespaces need %s: apt-get install iproute2 nftables", tool)
		}
	}
	l := &lab{prefix: fmt.Sprintf("crossring-%d-", os.Getpid()), machines: []labMachine{
		{ns: "m1", private: "10.11.0.10", public: "203.0.113.10", region: "us-east-1"},
		{ns: "m2", private: "10.22.0.10", public: "198.51.100.10", region: "us-west-2"},
		{ns: "m3", private: "10.33.0.10", public: "198.51.100.20", region: "eu-west-1"},
	}}
	names := []string{"wan", "isp", "own", "op", "m1", "m2", "m3"}
	t.Cleanup(func() {
		for _, name := range names {
			_ = exec.Command("ip", "netns", "del", l.ns(name)).Run() // what was not made is not there
		}
	})
	for _, name := range names {
		if out, err := exec.Command("ip", "netns", "add", l.ns(name)).CombinedOutput(); err != nil {
			t.Skipf("not possible here: this kernel or container makes no network namespaces: %s", out)
		}
		l.in(t, name, "ip", "link", "set", "lo", "up")
	}
	if out, err := exec.Command("ip", "netns", "exec", l.ns("wan"), "nft", "add", "table", "ip", "try").CombinedOutput(); err != nil {
		t.Skipf("not possible here: this kernel has no nft: %s", out)
	}
	l.cable(t, "op", "192.168.7.10/24", "own", "192.168.7.1/24")
	l.cable(t, "own", operatorSeenAs+"/25", "isp", "192.0.2.1/25")
	l.cable(t, "isp", "192.0.2.129/25", "wan", "192.0.2.130/25")
	l.in(t, "op", "ip", "route", "add", "default", "via", "192.168.7.1")
	l.in(t, "own", "ip", "route", "add", "default", "via", "192.0.2.1")
	l.in(t, "isp", "ip", "route", "add", "default", "via", "192.0.2.130")
	l.in(t, "wan", "ip", "route", "add", "192.0.2.0/25", "via", "192.0.2.129")
	for i := range l.machines {
		m := &l.machines[i]
		gate := strings.TrimSuffix(m.private, "10") + "1"
		l.cable(t, m.ns, m.private+"/24", "wan", gate+"/24")
		l.in(t, m.ns, "ip", "route", "add", "default", "via", gate)
		m.root = filepath.Join(t.TempDir(), "machine")
		l.inside(t, m.ns, func() { m.Server = sshdtest.Start(t, m.private) })
	}
	for _, router := range []string{"own", "isp", "wan"} {
		l.in(t, router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	}
	l.open(t)
	return l
}

// cable joins two namespaces.
func (l *lab) cable(t *testing.T, a, addrA, b, addrB string) {
	t.Helper()
	do(t, "", "ip", "link", "add", "to-"+b, "netns", l.ns(a), "type", "veth", "peer", "name", "to-"+a, "netns", l.ns(b))
	for _, end := range [][3]string{{a, "to-" + b, addrA}, {b, "to-" + a, addrB}} {
		l.in(t, end[0], "ip", "addr", "add", end[2], "dev", end[1])
		l.in(t, end[0], "ip", "link", "set", end[1], "up")
	}
}

// open takes all rules away and leaves the NATs.
func (l *lab) open(t *testing.T) {
	t.Helper()
	for _, name := range []string{"wan", "own", "op", "m1", "m2", "m3"} {
		l.nft(t, name, "flush ruleset")
	}
	var dnat, snat strings.Builder
	for _, m := range l.machines {
		fmt.Fprintf(&dnat, "    ip daddr %s dnat to %s\n", m.public, m.private)
		fmt.Fprintf(&snat, "    ip saddr %s snat to %s\n", m.private, m.public)
	}
	l.nft(t, "wan", fmt.Sprintf(`table ip nat {
  chain pre { type nat hook prerouting priority -100;
%s  }
  chain post { type nat hook postrouting priority 100;
%s  }
}`, dnat.String(), snat.String()))
	l.nft(t, "own", `table ip nat { chain post { type nat hook postrouting priority 100; oifname "to-isp" masquerade; }; }`)
}

// rules adds rules to a hook of a namespace, one a line.
func (l *lab) rules(t *testing.T, name, hook string, rules ...string) {
	t.Helper()
	l.nft(t, name, fmt.Sprintf("table inet %s { chain %s { type filter hook %s priority 0; policy accept;\n%s\n}; }", hook, hook, hook, strings.Join(rules, "\n")))
}

func (l *lab) nft(t *testing.T, name, text string) {
	t.Helper()
	do(t, text, "ip", "netns", "exec", l.ns(name), "nft", "-f", "-")
}

// in runs a command in a namespace.
func (l *lab) in(t *testing.T, name string, args ...string) {
	t.Helper()
	do(t, "", "ip", append([]string{"netns", "exec", l.ns(name)}, args...)...)
}

// run runs the program as the operator.
func (l *lab) run(ctx context.Context, h home, args ...string) result {
	return h.finish(l.command(ctx, h, args...), args)
}

// must is run of what has to end well.
func (l *lab) must(t *testing.T, h home, args ...string) result {
	t.Helper()
	r := l.run(t.Context(), h, args...)
	if r.code != 0 {
		t.Fatal(r)
	}
	return r
}

// command is the program as the operator runs it, not yet started.
func (l *lab) command(ctx context.Context, h home, args ...string) *exec.Cmd {
	cmd := h.command(ctx, unasked(args)...)
	// ip becomes the program: it has its pid, and gets its signals.
	outer := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns("op"), program}, unasked(args)...)...)
	outer.Env = cmd.Env
	return outer
}

// clusterID marks what the cluster puts on its machines.
func (l *lab) clusterID(t *testing.T, h home) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.state, "clusters", "lab", "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	var inv topology.Inventory
	if err := json.Unmarshal(data, &inv); err != nil || inv.Remote == nil {
		t.Fatalf("%v in %s", err, data)
	}
	return inv.Remote.ID
}

// inside does f with this goroutine's thread in a namespace; what f starts is in it.
func (l *lab) inside(t *testing.T, name string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	back, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	there, err := os.Open(filepath.Join("/run/netns", l.ns(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(back.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // this thread is lost to everybody
		}
	}()
	f()
}

func do(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, out, stdin)
	}
}

// spec writes a spec of provider hosts and its inventory file: a node on each machine.
func (l *lab) spec(t *testing.T) string { t.Helper(); return l.specOf(t, newest, "") }

// specOf is spec for a version, with more at the end.
func (l *lab) specOf(t *testing.T, version, more string) string {
	t.Helper()
	var inv, regions strings.Builder
	inv.WriteString("version: crossring/v1\nhosts:\n")
	for _, m := range l.machines {
		fmt.Fprintf(&inv, "  - {address: %s, port: %d, user: %s, identity_file: %s, host_keys: [%q],\n     region: %s, private: %s, public: %s, root: %s}\n",
			m.public, m.Port, m.User, m.Identity, m.HostKey, m.region, m.private, m.public, m.root)
		fmt.Fprintf(&regions, "  - {region: %s, nodes: 1}\n", m.region)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hosts.yaml"), inv.String())
	path := filepath.Join(dir, "cluster.yaml")
	writeFile(t, path, fmt.Sprintf("version: crossring/v1\nname: lab\ncassandra: %q\nprovider: hosts\nhosts: hosts.yaml\nheap_mb: 512\nregions:\n%s%s", version, regions.String(), more))
	return path
}
