package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/flight"
	"crossring/internal/preflight"
	"crossring/provision/local/procs"
)

// The right diagnosis for rules that drop, reject and accept: on machines, in the
// groups before them, and on the operator's own side.
func TestPreflight(t *testing.T) {
	beside(t, 0)
	l := newLab(t)
	h := newHome(t)
	if r := l.run(t.Context(), h, "up", "-f", l.spec(t), "--until", "provision"); r.code != 0 {
		t.Fatal(r)
	}
	all := documentedShapes(t)
	check := func(code int, args ...string) flight.PreflightResult {
		t.Helper()
		r := l.run(t.Context(), h, append([]string{"preflight", "lab", "-o", "json"}, args...)...)
		if r.code != code {
			t.Fatalf("want exit %d: %s", code, r)
		}
		for _, problem := range all.check("preflight", []byte(r.stdout)) {
			t.Error(problem)
		}
		return decode[flight.PreflightResult](t, r)
	}

	t.Run("open", func(t *testing.T) {
		res := check(0)
		for _, p := range res.Paths {
			if p.Diagnosis != preflight.OK || p.State != preflight.Open {
				t.Errorf("%+v", p)
			}
			if p.Purpose == preflight.Internode && (p.Mbit == nil || *p.Mbit <= 0 || p.PathMTU == nil || *p.PathMTU != 1500 || p.RTTMS == nil || p.TLS != "TLS 1.3") {
				t.Errorf("%s to %s is not measured: %+v", p.From, p.To, p)
			}
		}
		if len(res.Paths) != 6+3*2 || len(res.Hosts) != 4 {
			t.Errorf("%d paths, %d hosts", len(res.Paths), len(res.Hosts))
		}
		for _, x := range res.Hosts {
			if !x.Watched || x.Firewall != "read" || x.Problem != "" || x.Name != preflight.Here && (x.Clock == nil || x.Listens["7000"] != preflight.ByProbe) {
				t.Errorf("%+v", x)
			}
		}
	})

	t.Run("closed", func(t *testing.T) {
		l.rules(t, "wan", "forward",
			"ip saddr 10.11.0.10 ip daddr 10.22.0.10 tcp dport 7000 drop",                                   // group, silent
			"ip saddr 10.33.0.10 ip daddr 10.11.0.10 tcp dport 7000 reject with icmp type admin-prohibited", // group, refused
			"ip saddr 10.22.0.10 tcp sport 7000 ip daddr 10.33.0.10 drop",                                   // the answer
			"ip saddr "+operatorSeenAs+" ip daddr 10.22.0.10 tcp dport 9042 drop",
			"ip saddr "+operatorSeenAs+" ip daddr 10.33.0.10 tcp dport 9042 reject with tcp reset")
		l.rules(t, "m3", "input",
			"ip saddr 203.0.113.10 tcp dport 7000 drop",
			"ip saddr 198.51.100.10 tcp dport 7000 reject with tcp reset",
			"tcp dport 5901 reject")
		l.rules(t, "own", "forward", "ip daddr 203.0.113.10 tcp dport 5902 drop", "ip daddr 203.0.113.10 tcp dport 9042 drop")
		res := check(3, "--bandwidth", "0s", "--port", "5901", "--port", "5902")
		wantDiagnoses(t, res, []wanted{
			{"us-east-1-1", "us-west-2-1", 7000, preflight.Silent, preflight.ClosedByGroup, "TCP 7000 from 203.0.113.10"},
			{"us-west-2-1", "us-east-1-1", 7000, preflight.Open, preflight.OK, ""},
			{"us-east-1-1", "eu-west-1-1", 7000, preflight.Silent, preflight.ClosedOnHost, "ip saddr 203.0.113.10 tcp dport 7000"},
			{"us-west-2-1", "eu-west-1-1", 7000, preflight.Refused, preflight.ClosedOnHost, "ip saddr 198.51.100.10 tcp dport 7000"},
			{"eu-west-1-1", "us-east-1-1", 7000, preflight.Unreachable, preflight.ClosedByGroup, "TCP 7000 from 198.51.100.20"},
			{"eu-west-1-1", "us-west-2-1", 7000, preflight.Silent, preflight.WayBack, "back to eu-west-1-1"},
			{preflight.Here, "us-east-1-1", 9042, preflight.Silent, preflight.ClosedByOwn, "TCP 9042 outwards"},
			{preflight.Here, "us-west-2-1", 9042, preflight.Silent, preflight.ClosedByGroup, "TCP 9042 from " + operatorSeenAs},
			{preflight.Here, "eu-west-1-1", 9042, preflight.Refused, preflight.ClosedByGroup, "TCP 9042 from " + operatorSeenAs},
			{preflight.Here, "us-east-1-1", 5901, preflight.Open, preflight.OK, ""},
			{preflight.Here, "eu-west-1-1", 5901, preflight.Refused, preflight.ClosedOnHost, "tcp dport 5901"},
			{preflight.Here, "us-east-1-1", 5902, preflight.Silent, preflight.ClosedByOwn, "crossring tunnel"},
			{preflight.Here, "eu-west-1-1", 5902, preflight.Open, preflight.OK, ""},
			{preflight.Here, "eu-west-1-1", l.machines[2].Port, preflight.Open, preflight.OK, ""},
		})
		l.open(t)
	})

	t.Run("senders and big packets", func(t *testing.T) {
		l.rules(t, "m1", "output", "ip daddr 198.51.100.10 tcp dport 7000 drop")
		l.rules(t, "op", "output", "tcp dport 9042 drop")
		// Small packets reach m1, and m2 is not told that bigger ones do not.
		l.in(t, "wan", "ip", "link", "set", "to-m1", "mtu", "1300")
		l.rules(t, "wan", "output", "ip daddr 10.22.0.10 icmp type destination-unreachable drop")
		l.in(t, "m3", "iptables", "-A", "INPUT", "-p", "tcp", "-s", "203.0.113.10", "--dport", "7000", "-j", "DROP")
		res := check(3, "--bandwidth", "200ms")
		wantDiagnoses(t, res, []wanted{
			{"us-east-1-1", "us-west-2-1", 7000, preflight.Silent, preflight.ClosedBySelf, "let out"},
			{"us-east-1-1", "eu-west-1-1", 7000, preflight.Silent, preflight.ClosedOnHost, "iptables"},
			{"us-west-2-1", "us-east-1-1", 7000, preflight.Open, preflight.LosesBig, "MTU to 1280"},
			{"us-west-2-1", "eu-west-1-1", 7000, preflight.Open, preflight.OK, ""},
			{preflight.Here, "us-west-2-1", 9042, preflight.Silent, preflight.ClosedBySelf, "this computer"},
		})
		l.in(t, "wan", "ip", "link", "set", "to-m1", "mtu", "1500")
		l.in(t, "m3", "iptables", "-F")
		l.open(t)
	})

	t.Run("interrupted", func(t *testing.T) {
		needLong(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := l.command(ctx, h, "preflight", "lab", "--bandwidth", "1m")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		probes := func() (list []string) {
			found, err := procs.Find("probe")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range found {
				if strings.HasPrefix(p.Args[0], "/tmp/crossring-probe-") {
					list = append(list, p.Args[0])
				}
			}
			return list
		}
		eventually(t, time.Minute, "three probes run", func() bool { return len(probes()) >= 3 })
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("%v", err)
		}
		eventually(t, time.Minute, "no probe runs", func() bool { return len(probes()) == 0 })
	})

	t.Run("a machine that can't be used", func(t *testing.T) {
		l.machines[2].Stop()
		unharmed := plantForProbes(t, l.clusterID(t, h), "us-east-1-1", "us-west-2-1")
		defer unharmed()
		res := check(3, "--bandwidth", "0s")
		wantDiagnoses(t, res, []wanted{
			{preflight.Here, "eu-west-1-1", l.machines[2].Port, preflight.Refused, preflight.NobodyListens, ""},
			{"eu-west-1-1", "us-east-1-1", 7000, preflight.Untried, preflight.NotTried, "logged in"},
			{"us-east-1-1", "us-west-2-1", 7000, preflight.Open, preflight.OK, ""},
		})
		if res.Hosts[3].Problem == "" {
			t.Errorf("%+v", res.Hosts[3])
		}
	})
	// Of this test's machines: others may be at work on theirs.
	if left, err := filepath.Glob("/tmp/crossring-probe-" + l.clusterID(t, h) + "-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// plantForProbes has another user put links where a probe could be foreseen to go, by who
// knows the cluster's id and this very program. What it returns looks whether any was followed.
func plantForProbes(t *testing.T, id string, nodes ...string) func() {
	t.Helper()
	const nobody = 65534
	if os.Getuid() != 0 {
		return func() {} // a machine's root is this user
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	victim := filepath.Join(t.TempDir(), "victim")
	writeFile(t, victim, "root's")
	for _, n := range nodes {
		for _, name := range []string{"/tmp/crossring-" + id + "-" + n, "/tmp/crossring-probe-" + id + "-" + n} {
			err := errors.Join(os.Mkdir(name, 0o755), os.Chown(name, nobody, nobody))
			for _, file := range []string{"crossring", "crossring." + hex.EncodeToString(sum[:])[:12] + ".part"} {
				err = errors.Join(err, os.Symlink(victim, filepath.Join(name, file)), os.Lchown(filepath.Join(name, file), nobody, nobody))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return func() {
		t.Helper()
		for _, n := range nodes {
			for _, name := range []string{"/tmp/crossring-" + id + "-" + n, "/tmp/crossring-probe-" + id + "-" + n} {
				if entries, err := os.ReadDir(name); err != nil || len(entries) != 2 {
					t.Errorf("%s: %v, %v", name, entries, err)
				}
				if err := os.RemoveAll(name); err != nil {
					t.Error(err)
				}
			}
		}
		if data, err := os.ReadFile(victim); err != nil || string(data) != "root's" {
			t.Errorf("the file that a link led to has %d bytes now, %v", len(data), err)
		}
	}
}

type wanted struct {
	from, to string
	port     int
	state    preflight.State
	kind     preflight.Kind
	change   string // part of what is said and of what is to be done
}

func wantDiagnoses(t *testing.T, res flight.PreflightResult, list []wanted) {
	t.Helper()
	for _, w := range list {
		found := false
		for _, p := range res.Paths {
			if p.From != w.from || p.To != w.to || p.Port != w.port {
				continue
			}
			found = true
			if p.State != w.state || p.Diagnosis != w.kind || !strings.Contains(p.Means+" "+p.Change, w.change) {
				t.Errorf("%s to %s port %d: %s, %s: %s (to change: %s); want %s, %s, %q", p.From, p.To, p.Port, p.State, p.Diagnosis, p.Means, p.Change, w.state, w.kind, w.change)
			}
			if sure := w.kind != preflight.NobodyListens; p.Sure != sure {
				t.Errorf("%s to %s port %d: sure is %t: %s", p.From, p.To, p.Port, p.Sure, p.Means)
			}
		}
		if !found {
			t.Errorf("%s to %s port %d was not tried", w.from, w.to, w.port)
		}
	}
}

// checkRunningPreflight holds what is found of a cluster of two nodes that run.
func checkRunningPreflight(t *testing.T, res flight.PreflightResult) {
	t.Helper()
	internode := 0
	for _, p := range res.Paths {
		if p.State != preflight.Open || p.Diagnosis != preflight.OK || p.Listener != preflight.ByServer {
			t.Errorf("%+v", p)
		}
		if p.Purpose == preflight.Internode {
			internode++
		}
	}
	nodes := 0
	for _, x := range res.Hosts {
		if x.Name != preflight.Here {
			nodes++
		}
	}
	if internode != nodes*(nodes-1) || nodes < 2 || res.Problems != 0 {
		t.Errorf("%d internode paths, %d problems: %+v", internode, res.Problems, res.Hosts)
	}
}

// A local cluster before its servers start: probes listen in their place, through the
// WAN with its latency and its faults.
func TestPreflightLocal(t *testing.T) {
	beside(t, 0)
	h := newHome(t)
	t.Cleanup(func() { h.takeDown(t, "ahead") })
	h.must(t, "up", "-f", h.spec(t, oneByOne("ahead", newest)+"rtt_ms: 80\n"), "--until", "provision")
	// check holds what is found of the ways to the nodes named.
	check := func(code int, kind preflight.Kind, says string, to ...string) {
		t.Helper()
		res := decode[flight.PreflightResult](t, h.want(t, code, "preflight", "ahead", "--bandwidth", "100ms", "-o", "json"))
		for _, p := range res.Paths {
			if len(to) > 0 && !slices.Contains(to, p.To) {
				continue
			}
			if p.Purpose == preflight.Internode && (p.Diagnosis != kind || !strings.Contains(p.Means+p.Change, says)) {
				t.Errorf("%+v, want %s, %q", p, kind, says)
			}
			const rtt = 80 // as set; a real one would be above it, too
			if p.Purpose == preflight.Internode && kind == preflight.OK && (p.Listener != preflight.ByProbe || p.RTTMS == nil || *p.RTTMS < rtt || p.TLS != "TLS 1.3" || p.Mbit == nil) {
				t.Errorf("%+v", p)
			}
		}
	}
	check(0, preflight.OK, "")
	h.must(t, "fault", "partition", "ahead", east, west)
	check(1, preflight.Faulted, "crossring fault heal ahead "+east+" "+west)
	h.must(t, "fault", "heal", "ahead", east, west)
	h.must(t, "fault", "refuse", "ahead", west)
	check(3, preflight.Faulted, "crossring fault accept ahead "+west, "us-west-2-1")
	h.must(t, "fault", "accept", "ahead", west)
	check(0, preflight.OK, "")
}
