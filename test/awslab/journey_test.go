//go:build linux

package awslab

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/test/awsfault"
	"crossring/test/harness"
)

// The whole way as an operator types it: hosts, a ring in two regions, the experiment
// by loaders on the hosts, a security group that somebody changed, and nothing left.
func TestJourney(t *testing.T) {
	needLab(t)
	journeys := []struct {
		version string
		nodes   int // a region
		long    bool
	}{{newest, 1, false}, {oldest, 1, true}, {newest, 2, true}}
	for _, j := range journeys {
		t.Run(fmt.Sprintf("%s with %d a region", j.version, j.nodes), func(t *testing.T) {
			if j.long && !harness.Long() {
				t.Skip("runs in make test-long (CROSSRING_LONG=1): one journey takes a minute of both processors")
			}
			journey(t, j.version, j.nodes)
		})
	}
}

const rows = 20000

func journey(t *testing.T, version string, nodes int) {
	publish(t, version)
	o := newOperator(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.crossring("logs", "lab", "--lines", "150"))
		}
		o.nothingLeft("lab")
	})
	up := decode[run.UpResult](t, o.want(0, "up", "-f", o.spec("lab", version, nodes), "-o", "json"))
	asPlanned(t, up.Ring, nodes)
	inv := up.Inventory
	for _, n := range inv.Nodes {
		o.checkHost(n, inv.EC2.Hosts[n.Name].Instance, version)
	}
	world.lab.proxy.Arm(nil)
	o.want(0, "up", "lab")
	if calls := world.lab.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("a second up called %v", calls)
	}
	o.checkPorts(inv.Nodes[0])

	doc := decode[report.Document](t, o.want(0, "repro", "lab", "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	t.Logf("%d rows: %.0f/s written in %s, %.0f/s read in %s", rows, doc.Write.OpsPerSec, doc.Write.Datacenter, doc.Read.OpsPerSec, doc.Read.Datacenter)

	if harness.Long() { // else TestMachines has to do, without a ring
		o.wrongGroup(inv)
	}
	if harness.Long() && nodes == 1 {
		// More nodes pass the gossip on, and the ring stays whole.
		o.hostFirewall(inv)
	}
	o.want(0, "down", "lab", "--yes")
}

func asPlanned(t *testing.T, ring *ringcheck.Ring, nodes int) {
	t.Helper()
	if ring == nil || len(ring.Mismatches) > 0 || len(ring.Datacenters) != 2 {
		t.Fatalf("%+v", ring)
	}
	for i, name := range []string{"us-east", "us-west-2"} {
		if dc := ring.Datacenters[i]; dc.Name != name || len(dc.Nodes) != nodes {
			t.Errorf("%+v", dc)
		}
	}
}

// checkHost looks at what up made of a host.
func (o operator) checkHost(n topology.Node, instance, version string) {
	o.t.Helper()
	o.checkDisks(n, instance)
	o.ask(n, instance, "active", "systemctl is-active cassandra.service")
	o.ask(n, instance, "cassandra", "ps -o user= -p $(systemctl show -p MainPID --value cassandra.service)")
	o.ask(n, instance, "CommitLog", "ls /fs/fs2/cassandra/commitlog")
	o.ask(n, instance, "system", "ls /fs/fs1/cassandra/data")
	status := "200" // without a token
	if !strings.HasPrefix(version, "1.") {
		status = "401"
	}
	o.ask(n, instance, status, "curl -s -o /dev/null -w '%{http_code}' http://"+metadataAddress+"/latest/meta-data/public-ipv4")
	o.ask(n, instance, "running", "systemctl is-system-running")
}

// checkDisks sees that both volumes are ext4 on disks of their own, mounted as fstab
// says by UUID.
func (o operator) checkDisks(n topology.Node, instance string) {
	o.t.Helper()
	for _, volume := range []string{"fs1", "fs2"} {
		mount := "/fs/" + volume
		o.ask(n, instance, "/dev/loop", "findmnt -nro SOURCE,FSTYPE -M "+mount+" | grep ' ext4$'")
		o.ask(n, instance, "/dev/loop", `blkid -p -o device -t UUID=$(sed -n 's,^UUID=\([^ ]*\) `+mount+` ext4 .*,\1,p' /etc/fstab) $(findmnt -nro SOURCE -M `+mount+`)`)
	}
}

// ask runs a line on a host, whose answer has to have want in it.
func (o operator) ask(n topology.Node, instance, want, line string) {
	o.t.Helper()
	out, err := world.lab.Inside(o.t.Context(), instance, line)
	if err != nil || !strings.Contains(out, want) {
		o.t.Errorf("%s: %s: %q, want %s (%v)", n.Name, line, out, want, err)
	}
}

// checkPorts tries a node's ports from where the operator is: CQL is open, what is
// between nodes is silent.
func (o operator) checkPorts(n topology.Node) {
	o.t.Helper()
	try := func(port int) error {
		ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
		defer cancel()
		cmd := world.lab.Command(ctx, "timeout", "5", "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", n.PublicAddress, port))
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	if err := try(n.Ports.Native); err != nil {
		o.t.Errorf("CQL is not open: %v", err)
	}
	// timeout's own exit status; a refusal would be 1.
	if err := try(n.Ports.Storage); err == nil || !strings.Contains(err.Error(), "exit status 124") {
		o.t.Errorf("the storage port is not silent: %v", err)
	}
}

// revoke takes the rule away that lets a node of the west reach the east's, and gives
// what crossring has to say of it.
func (o operator) revoke(east, west topology.Node) string {
	o.t.Helper()
	api := o.console(east.Region)
	out, err := api.DescribeSecurityGroups(o.t.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("tag:crossring:cluster"), Values: []string{"lab"}}}})
	if err != nil || len(out.SecurityGroups) != 1 {
		o.t.Fatalf("%+v, %v", out, err)
	}
	group := aws.ToString(out.SecurityGroups[0].GroupId)
	port := int32(east.Ports.Storage)
	if _, err := api.RevokeSecurityGroupIngress(o.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String(west.PublicAddress + "/32")}}}}}); err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprintf("%s gets no answer from port %d of %s: silent: security group %s (%s) lacks tcp %d from %s/32 (internode, from %s)",
		west.Name, port, east.Name, group, east.Region, port, west.PublicAddress, west.Name)
}

// wrongGroup takes a rule away behind crossring's back.
func (o operator) wrongGroup(inv topology.Inventory) {
	o.t.Helper()
	east, west := inv.Nodes[0], inv.Nodes[len(inv.Nodes)-1]
	want := o.revoke(east, west)
	// What is connected stays so; a server that starts anew has to connect.
	o.want(0, "restart", fmt.Sprintf("lab:%d", west.Index))
	r := o.want(4, "status", "lab", "-o", "json")
	ring := decode[ringcheck.Ring](o.t, r)
	said := slices.ContainsFunc(ring.Mismatches, func(m ringcheck.Mismatch) bool { return m.Kind == "firewall" && m.Message == want })
	if !said || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "crossring up lab") {
		o.t.Fatalf("want %q: %s", want, r)
	}
	o.t.Log(want)
	o.want(0, "up", "lab")
	o.want(0, "status", "lab")
}

// drop drops what comes from one node on the host of another, where no security group
// shows it, until what it returns is called; and gives what crossring has to say of it.
func (o operator) drop(inv topology.Inventory, east, west topology.Node) (want string, heal func()) {
	o.t.Helper()
	namespace := prefix + inv.EC2.Hosts[east.Name].Instance
	rules := fmt.Sprintf("table inet host { chain in { type filter hook input priority filter;\nip saddr %s tcp dport %d drop\n}\n}\n", west.PublicAddress, east.Ports.Storage)
	if _, err := output(o.t.Context(), []byte(rules), "ip", "netns", "exec", namespace, "nft", "-f", "-"); err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprintf("%s gets no answer from port %d of %s: silent: the security groups let it pass", west.Name, east.Ports.Storage, east.Name), func() {
		o.t.Helper()
		if err := command(o.t.Context(), "ip", "netns", "exec", namespace, "nft", "delete", "table", "inet", "host"); err != nil {
			o.t.Fatal(err)
		}
	}
}

// hostFirewall has a host drop what comes from the other region.
func (o operator) hostFirewall(inv topology.Inventory) {
	o.t.Helper()
	want, heal := o.drop(inv, inv.Nodes[0], inv.Nodes[len(inv.Nodes)-1])
	last := o.crossring("status", "lab")
	for deadline := time.Now().Add(5 * time.Minute); !strings.Contains(last.stderr, want); last = o.crossring("status", "lab") {
		if time.Now().After(deadline) {
			o.t.Fatalf("want %q: %s", want, last)
		}
		<-time.After(2 * time.Second) // between two looks
	}
	if last.code != 4 {
		o.t.Errorf("%s", last)
	}
	heal()
	o.want(0, "up", "lab")
}

// console is EC2's API for somebody else of the account.
func (o operator) console(region string) *ec2.Client {
	s := httptest.NewServer(world.lab)
	o.t.Cleanup(s.Close)
	return awsfault.Client(s.URL, region)
}

// nothingLeft takes a cluster down, unless the test did, and looks for what is left of
// it: in the emulator, and on this computer.
func (o operator) nothingLeft(name string) {
	if r := o.crossring("down", name, "--yes"); r.code != 0 && !strings.Contains(r.stderr, "there is no cluster") {
		o.t.Error(r)
	}
	ctx := context.Background()
	stock, err := awsfault.Count(ctx, world.lab.Emulator(), world.lab.Regions())
	if left := stock.Without(world.before); err != nil || len(left) > 0 {
		o.t.Errorf("left in the emulator: %v (%v)", left, err)
	}
	if left, err := world.lab.Left(ctx); err != nil || len(left) > 0 {
		o.t.Errorf("left on this computer: %v (%v)", left, err)
	}
	if err := world.lab.Problems(); err != nil {
		o.t.Errorf("the lab itself: %v", err)
	}
}
