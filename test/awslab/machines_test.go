//go:build linux

package awslab

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/internal/run"
)

// Hosts that are made ready and do not start a server: disks, software, what they print
// on their consoles, the addresses that the lab gives them, and what crossring says of
// ways between them that are closed.
func TestMachines(t *testing.T) {
	needLab(t)
	publish(t, oldest)
	o := newOperator(t)
	t.Cleanup(func() { o.nothingLeft("lab") })
	file := o.spec("lab", oldest, 1)
	up := o.want(0, "up", "-f", file, "--until", "deploy", "-o", "json")
	if strings.Contains(up.stderr, "shows no host key") {
		t.Errorf("the host keys were not read from the consoles: %s", up.stderr)
	}
	inv := decode[run.UpResult](t, up).Inventory
	for _, n := range inv.Nodes {
		s := spaces[n.Region]
		private, err := netip.ParseAddr(n.PrivateAddress)
		public, publicErr := netip.ParseAddr(n.PublicAddress)
		if err != nil || publicErr != nil || !s.private.Contains(private) || !s.public.Contains(public) {
			t.Errorf("%s has %s and %s", n.Name, n.PrivateAddress, n.PublicAddress)
		}
		instance := inv.EC2.Hosts[n.Name].Instance
		o.checkDisks(n, instance)
		o.ask(n, instance, "inactive", "systemctl is-active cassandra.service || true")
		o.ask(n, instance, "running", "systemctl is-system-running --wait")
		o.ask(n, instance, "jar", "ls /opt/cassandra/lib")
		o.ask(n, instance, n.PublicAddress, "curl -s http://"+metadataAddress+"/latest/meta-data/public-ipv4")
		keys, err := world.lab.Inside(t.Context(), instance, "cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub")
		if err != nil {
			t.Fatal(err)
		}
		out, err := o.console(n.Region).GetConsoleOutput(t.Context(), &ec2.GetConsoleOutputInput{InstanceId: &instance})
		if err != nil {
			t.Fatal(err)
		}
		text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
		if err != nil || !strings.Contains(string(text), "-----BEGIN SSH HOST KEY KEYS-----") || !strings.Contains(string(text), keys) {
			t.Errorf("the console of %s (%v): %s", n.Name, err, text)
		}
	}
	// Nothing is formatted twice.
	before, err := world.lab.Inside(t.Context(), inv.EC2.Hosts[inv.Nodes[0].Name].Instance, "cat /etc/fstab")
	if err != nil {
		t.Fatal(err)
	}
	o.want(0, "up", "-f", file, "--until", "deploy")
	if after, err := world.lab.Inside(t.Context(), inv.EC2.Hosts[inv.Nodes[0].Name].Instance, "cat /etc/fstab"); err != nil || after != before {
		t.Errorf("a second up changed fstab to %s (%v)", after, err)
	}
	// No server runs, so the port refuses, which is an answer; a way that is closed is silent.
	east, west := inv.Nodes[0], inv.Nodes[1]
	if r := o.want(4, "status", "lab"); strings.Contains(r.stderr, "silent") {
		t.Error(r)
	}
	want := o.revoke(east, west)
	if r := o.want(4, "status", "lab"); !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "hint: crossring up lab") {
		t.Errorf("want %q: %s", want, r)
	}
	o.want(0, "up", "lab", "--until", "deploy")
	want, heal := o.drop(inv, east, west)
	if r := o.want(4, "status", "lab"); !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "lacks") {
		t.Errorf("want %q: %s", want, r)
	}
	heal()
	if r := o.want(4, "status", "lab"); strings.Contains(r.stderr, "silent") {
		t.Error(r)
	}
	o.want(0, "down", "lab", "--yes")
}
