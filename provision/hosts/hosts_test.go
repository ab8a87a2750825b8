package hosts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/release/releasetest"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
)

var _ provision.Provider = Provider{}

func TestParse(t *testing.T) {
	list, err := Parse("/etc/ring/hosts.yaml", []byte(`version: crossring/v1
ssh:
  user: admin
  identity_file: ~/.ssh/id
  jump: me@bastion:2222
hosts:
  - address: one.example
    region: us-east-1
    zone: us-east-1b
    private: 10.0.0.1
    public: 203.0.113.1
    disks: [/dev/nvme1n1, /dev/nvme2n1]
  - {region: us-west-2, public: 203.0.113.2, user: root, port: 2022, identity_file: keys/b, root: /srv/ring, java_home: /opt/jdk, jolokia_port: 8779, host_keys: [ssh-ed25519 AAAA]}
`), "/home/me")
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Line: 7, Region: "us-east-1", Zone: "us-east-1b", Private: "10.0.0.1", Public: "203.0.113.1", Host: topology.Host{
			Address: "one.example", Port: 22, User: "admin", Identity: "/home/me/.ssh/id", Jump: "me@bastion:2222",
			Devices: []string{"/dev/nvme1n1", "/dev/nvme2n1"}}},
		{Line: 13, Region: "us-west-2", Private: "203.0.113.2", Public: "203.0.113.2", Jolokia: 8779, Host: topology.Host{
			Address: "203.0.113.2", Port: 2022, User: "root", Identity: "/etc/ring/keys/b", Jump: "me@bastion:2222",
			Root: "/srv/ring", JavaHome: "/opt/jdk", HostKeys: []string{"ssh-ed25519 AAAA"}}},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got  %+v\nwant %+v", list, want)
	}
}

func TestParseFindsAllThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // a line and a part of the message each
	}{
		"empty":    {"", []string{"is empty"}},
		"not yaml": {"hosts: [", []string{"not YAML"}},
		"no hosts": {"version: crossring/v1", []string{":1: hosts is missing"}},
		"version":  {"hosts:\n- {user: a, region: r, public: 10.0.0.1}", []string{":1: version must be"}},
		"unknown keys": {"version: crossring/v1\nssh: {usr: a}\nhosts:\n- {user: a, region: r, public: 10.0.0.1, adress: x}",
			[]string{":2: \"usr\" is not a key of ssh", ":4: \"adress\" is not a key of a host"}},
		"values": {"version: crossring/v1\nhosts:\n- region: r\n  public: x\n  port: 0\n- {user: a, region: us-east-1, zone: us-west-2a, public: 10.0.0.1, root: srv}",
			[]string{":3: the host has no private or public", ":3: the host has no user", ":4: \"x\" is not an IP", ":5: \"0\" is not a port",
				":6: zone us-west-2a is not in", ":6: root must be"}},
		"twice": {"version: crossring/v1\nhosts:\n- {user: a, region: r, public: 10.0.0.1}\n- {user: a, region: r, public: 10.0.0.1, port: 23}",
			[]string{":4: private address 10.0.0.1 is that of the host in line 3", ":4: public address 10.0.0.1"}},
		"a key twice": {"version: crossring/v1\nhosts:\n- {user: a, user: b, region: r, public: 10.0.0.1}", []string{"user"}},
		"disks below a root": {"version: crossring/v1\nhosts:\n- {user: a, region: r, public: 10.0.0.1, root: /srv/x, disks: [/dev/sdb]}",
			[]string{":3: disks can't be formatted"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("hosts.yaml", []byte(c.text), "/home/me")
			var p *Problem
			if !errors.As(err, &p) || p.ExitCode() != 2 {
				t.Fatalf("%v", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d problems, want %d:\n%v", len(lines), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("%q has no %q", lines[i], want)
				}
			}
		})
	}
}

func plan() topology.Plan {
	ports := topology.DefaultPorts()
	return topology.Plan{
		Name: "ring", Version: releasetest.Newest(), Disks: topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"},
		Nodes: []topology.Node{
			{Name: "us-east-1-1", Index: 1, Region: "us-east-1", Zone: "us-east-1a", Ports: ports},
			{Name: "us-east-1-2", Index: 2, Region: "us-east-1", Zone: "us-east-1b", Ports: ports},
			{Name: "us-west-2-1", Index: 3, Region: "us-west-2", Zone: "us-west-2a", Ports: ports},
		},
	}
}

func TestAssign(t *testing.T) {
	list := []Entry{
		{Region: "us-east-1", Public: "1.0.0.1", Private: "10.0.0.1"},
		{Region: "us-west-2", Public: "1.0.0.2", Private: "10.0.0.2", Jolokia: 99, Host: topology.Host{Root: "/srv"}},
		{Region: "us-east-1", Zone: "us-east-1b", Public: "1.0.0.3", Private: "10.0.0.3"},
		{Region: "us-east-1", Zone: "us-east-1c", Public: "1.0.0.4", Private: "10.0.0.4"},
	}
	nodes, err := Assign(plan(), "hosts.yaml", list)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1.0.0.1", "1.0.0.3", "1.0.0.2"} {
		if nodes[i].PublicAddress != want || nodes[i].Host == nil {
			t.Errorf("%s is at %s, want %s", nodes[i].Name, nodes[i].PublicAddress, want)
		}
	}
	if nodes[2].Ports.Jolokia != 99 || nodes[2].Layout.Data != "/srv/fs/fs1/cassandra/data" || nodes[0].Layout.Data != "/fs/fs1/cassandra/data" {
		t.Errorf("%+v", nodes[2])
	}
	_, err = Assign(plan(), "hosts.yaml", list[:1])
	if err == nil || strings.Count(err.Error(), "there is no machine for") != 2 {
		t.Errorf("too few machines gave %v", err)
	}
}

// A plan of machines depends on the file that names them.
func TestFits(t *testing.T) {
	p := plan()
	p.Hosts = filepath.Join(t.TempDir(), "hosts.yaml")
	var problem *Problem
	if err := (Provider{}).Fits(p); !errors.As(err, &problem) || problem.ExitCode() != 2 || !strings.Contains(err.Error(), "there is no such inventory file") {
		t.Errorf("%v", err)
	}
	text := "version: crossring/v1\nssh: {user: me}\nhosts: [{region: us-east-1, public: 1.0.0.1}]\n"
	if err := os.WriteFile(p.Hosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Provider{}).Fits(p); err == nil || strings.Count(err.Error(), "there is no machine for") != 2 {
		t.Errorf("%v", err)
	}
}

// provider is one for two machines: sshds of the test's.
func provider(t *testing.T) (Provider, topology.Plan, []*sshdtest.Server, []string) {
	t.Helper()
	servers := []*sshdtest.Server{sshdtest.Start(t, "127.0.0.1"), sshdtest.Start(t, "127.0.0.1")}
	roots := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	text := "version: crossring/v1\nhosts:\n"
	for i, s := range servers {
		text += "- {address: 127.0.0.1, port: " + strconv.Itoa(s.Port) + ", user: " + s.User + ", identity_file: " + s.Identity +
			", region: us-east-1, public: 127.252.0." + strconv.Itoa(i+1) + ", root: " + roots[i] + "}\n"
	}
	file := filepath.Join(t.TempDir(), "hosts.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := plan()
	p.Hosts, p.Nodes = file, p.Nodes[:2]
	for i := range p.Nodes {
		p.Nodes[i].Ports = topology.Ports{}
	}
	dir := t.TempDir()
	return Provider{StateDir: dir, Say: t.Logf, Now: time.Now, Client: func(_ topology.Inventory, n topology.Node) (*sshhost.Client, error) {
		cfg, err := sshhost.For(*n.Host, filepath.Join(dir, "known_hosts"), "")
		cfg.Wait = 2 * time.Second
		c := sshhost.New(cfg)
		t.Cleanup(func() { c.Close() })
		return c, err
	}}, p, servers, roots
}

func TestMakeAndUnmake(t *testing.T) {
	p, plan, servers, roots := provider(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	inv, err := p.Make(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	late := p
	late.Now = func() time.Time { return time.Now().Add(time.Hour) }
	late.StateDir = t.TempDir()
	var clock *prepare.ClockError
	if _, err := late.Make(ctx, plan); !errors.As(err, &clock) || clock.Offset > -59*time.Minute || !strings.Contains(clock.Hint(), "chronyc makestep") {
		t.Errorf("clocks an hour off gave %v", err)
	}
	again, err := p.Make(ctx, plan)
	if err != nil || again.Remote.ID != inv.Remote.ID || inv.Remote.ID == "" {
		t.Errorf("made again with id %q of %q, %v", again.Remote.ID, inv.Remote.ID, err)
	}
	for _, root := range roots {
		if _, err := os.Stat(root); !os.IsNotExist(err) {
			t.Errorf("making changed %s: %v", root, err)
		}
	}
	// As a machine is that another cluster uses.
	there := prepare.StateDir(inv.Nodes[1])
	if err := os.MkdirAll(there, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(there, "cluster"), []byte("another-id other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make(ctx, plan); err == nil || !strings.Contains(err.Error(), "us-east-1-2") || strings.Contains(err.Error(), "us-east-1-1") {
		t.Errorf("a machine of another cluster gave %v", err)
	}
	servers[0].Stop()
	var left *LeftError
	if err := p.Unmake(ctx, inv); !errors.As(err, &left) || !strings.Contains(err.Error(), "us-east-1-1") || strings.Contains(err.Error(), "us-east-1-2") {
		t.Errorf("a machine out of reach gave %v", err)
	}
	if _, err := os.Stat(state.Dir(p.StateDir, "ring")); err != nil {
		t.Errorf("the cluster was forgotten with something left: %v", err)
	}
	servers[0].Restart(t)
	if err := p.Unmake(ctx, inv); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(there, "cluster")); err != nil {
		t.Errorf("what is another cluster's was removed: %v", err)
	}
	if _, err := os.Stat(state.Dir(p.StateDir, "ring")); !os.IsNotExist(err) {
		t.Errorf("the cluster was not forgotten: %v", err)
	}
}
