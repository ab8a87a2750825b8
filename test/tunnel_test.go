package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/cql"
	"crossring/internal/flight"
	"crossring/internal/load"
	"crossring/internal/release"
	"crossring/internal/tunnels"
	"crossring/provision/local/procs"
)

// tunnelled writes a line through a tunnel and reads it back.
func tunnelled(at string) error {
	c, err := net.DialTimeout("tcp", at, 20*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "there and back\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "there and back\n" {
		err = fmt.Errorf("it came back as %q", line)
	}
	return err
}

// echoes listens on loopback and sends back what it gets.
func echoes(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// Tunnels through a real sshd: in the background, found and stopped again, back after
// the sshd went down with all its connections, and nothing left of them.
func TestTunnel(t *testing.T) {
	beside(t, 0, hostAddresses)
	list := machines(t)
	h := newHome(t)
	h.must(t, "up", "-f", writeHosts(t, newest, list), "--until", "provision")
	t.Cleanup(func() { h.run(context.Background(), "down", "machines") })
	all := documentedShapes(t)
	documented := func(table string, r result) result {
		t.Helper()
		for _, problem := range all.check(table, []byte(r.stdout)) {
			t.Error(problem)
		}
		return r
	}
	port := echoes(t)

	one := decode[tunnels.Info](t, documented("tunnel", h.must(t, "tunnel", "machines:1", "-L", "0:"+port, "-L", "0:9042", "--background", "-o", "json")))
	if one.ID == "" || len(one.Forwards) != 2 || one.Forwards[1].Target != list[0].address+":9042" || !one.Up {
		t.Fatalf("%+v", one)
	}
	if err := tunnelled(one.Forwards[0].Listen); err != nil {
		t.Error(err)
	}
	two := decode[tunnels.Info](t, h.must(t, "tunnel", "machines:2", "-L", "0:"+port, "--background", "-o", "json"))
	standing := func() tunnels.Tunnels {
		t.Helper()
		return decode[tunnels.Tunnels](t, documented("tunnels", h.must(t, "tunnel", "ls", "-o", "json")))
	}
	if got := standing(); len(got.Tunnels) != 2 || got.Tunnels[0].Node == got.Tunnels[1].Node {
		t.Errorf("%+v", got)
	}
	// The port is taken: whose it is stays whose it is, and nothing is left of the other.
	if r := h.want(t, 8, "tunnel", "machines:1", "-L", strings.TrimPrefix(one.Forwards[0].Listen, "127.0.0.1:")+":"+port, "--background"); !strings.Contains(r.stderr, "in use") {
		t.Error(r)
	}

	list[0].Cut(t)
	eventually(t, time.Minute, "the tunnel says that it is down", func() bool {
		for _, x := range standing().Tunnels {
			if x.ID == one.ID {
				return !x.Up && x.Problem != ""
			}
		}
		return false
	})
	list[0].Restart(t)
	eventually(t, time.Minute, "the tunnel is back", func() bool { return tunnelled(one.Forwards[0].Listen) == nil })
	eventually(t, time.Minute, "the tunnel says that it is up", func() bool { return standing().Tunnels[0].Up && standing().Tunnels[1].Up })

	if got := decode[tunnels.Tunnels](t, h.must(t, "tunnel", "stop", "machines:us-west-2-1", "-o", "json")); len(got.Tunnels) != 1 || got.Tunnels[0].ID != two.ID {
		t.Errorf("%+v", got)
	}
	h.want(t, 1, "tunnel", "stop", two.ID)
	gone := func(info tunnels.Info) {
		t.Helper()
		if c, err := net.Dial("tcp", info.Forwards[0].Listen); err == nil {
			c.Close()
			t.Errorf("%s still listens", info.Forwards[0].Listen)
		}
		if found, err := procs.Find("--id=" + info.ID); err != nil || len(found) > 0 {
			t.Errorf("still there: %v, %v", found, err)
		}
	}
	gone(two)
	// One that was killed is seen to be gone, and cleared away.
	found, err := procs.Find("--id=" + one.ID)
	if err != nil || len(found) != 1 || found[0].PID != one.PID {
		t.Fatalf("%v, %v, want pid %d", found, err, one.PID)
	}
	if _, err := procs.Stop(t.Context(), found[0], 0); err != nil {
		t.Fatal(err)
	}
	if got := standing(); len(got.Tunnels) != 1 || got.Tunnels[0].Up {
		t.Errorf("%+v", got)
	}
	h.must(t, "tunnel", "stop")
	gone(one)

	// In the foreground it says where it leads, and ends with a signal. A cluster that
	// goes takes its tunnels along.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := h.command(ctx, "tunnel", "machines:1", "-L", "0:"+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at, _, ok := strings.Cut(line, " -> ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	if err := tunnelled(at); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v", err)
	}
	last := decode[tunnels.Info](t, h.must(t, "tunnel", "machines:1", "-L", "0:"+port, "--background", "-o", "json"))
	h.must(t, "down", "machines")
	gone(last)
	if left, err := filepath.Glob(filepath.Join(h.state, "tunnels", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// throughTunnels holds that ring, cql and stress go through a tunnel that stands: the
// sshd of its machine sees no other login. The cluster's nodes run.
func throughTunnels(t *testing.T, h home, version string, list []machine) {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	rel.NoHostLookup = true // this node and no other
	for i := range list {
		info := decode[tunnels.Info](t, h.must(t, "tunnel", fmt.Sprintf("machines:%d", i+1), "-L", "0:9042", "--background", "-o", "json"))
		at := netip.MustParseAddrPort(info.Forwards[0].Listen)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := cql.Probe(ctx, cql.Endpoint{Addresses: []string{at.Addr().String()}, Port: int(at.Port()), Release: rel}); err != nil {
			t.Errorf("CQL at %s: %v", at, err)
		}
		cancel()
	}
	logins := func() (n int) {
		for _, m := range list {
			n += strings.Count(m.Log(), "Accepted publickey")
		}
		return n
	}
	before := logins()
	h.must(t, "ring", "machines")
	h.must(t, "cql", "machines:2", "SELECT data_center FROM system.local")
	r := decode[load.StressResult](t, h.must(t, "stress", "write", "machines", "--rows", "500", "--loaders", "0", "-o", "json"))
	if r.Write == nil || r.Write.Acknowledged != 500 {
		t.Errorf("%+v", r.Write)
	}
	if after := logins(); after != before {
		t.Errorf("%d logins of their own", after-before)
	}
	h.must(t, "tunnel", "stop", "machines")
	// On machines that were made ready the probe goes where loaders go, and servers that
	// run are left alone.
	checkRunningPreflight(t, decode[flight.PreflightResult](t, h.must(t, "preflight", "machines", "-o", "json")))
}
