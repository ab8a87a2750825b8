package test

import (
	"errors"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"crossring/internal/flight"
	"crossring/internal/pki/verbs"
	"crossring/internal/preflight"
)

// A machine whose clock is a day off, as all that runs in its sessions has it: preflight
// says so, and up refuses it.
func TestMachineADayOff(t *testing.T) {
	needLong(t)
	beside(t, 2)
	lib := faketime(t)
	l := newLab(t)
	l.machines = l.machines[:2]
	h := newHome(t)
	spec := l.specOf(t, newest, "")
	if r := l.run(t.Context(), h, "up", "-f", spec, "--until", "provision"); r.code != 0 {
		t.Fatal(r)
	}
	const day = 86_400_000.0 // ms
	for _, off := range []string{"+1d", "-1d", "+0"} {
		m := l.machines[1]
		l.inside(t, m.ns, func() { m.SetEnv(t, "FAKETIME="+off, "FAKETIME_NO_CACHE=1", "LD_PRELOAD="+lib) })
		code, want := 3, map[string]float64{"+1d": day, "-1d": -day}[off]
		if want == 0 {
			code = 0
		}
		r := l.run(t.Context(), h, "preflight", "lab", "--bandwidth", "0s", "-o", "json")
		if r.code != code {
			t.Fatalf("%s: want exit %d: %s", off, code, r)
		}
		res := decode[flight.PreflightResult](t, r)
		for _, x := range res.Hosts {
			if x.Name == preflight.Here {
				continue
			}
			right := 0.0
			if x.Name == "us-west-2-1" {
				right = want
			}
			if x.Clock == nil || x.Margin == nil || math.Abs(*x.Clock-right) > *x.Margin+2000 {
				t.Errorf("%s: the clock of %s is found to be %v ms off, give or take %v", off, x.Name, x.Clock, x.Margin)
			}
		}
		for _, p := range res.Paths {
			if p.Diagnosis != preflight.OK {
				t.Errorf("%s: %+v", off, p)
			}
		}
		if want == 0 {
			continue
		}
		checkSays(t, r, "the clock of us-west-2-1 is 24h0m0s off")
		if r := l.run(t.Context(), h, "preflight", "lab", "--bandwidth", "0s"); !regexp.MustCompile(`us-west-2-1.*24h0m`).MatchString(r.stdout + r.stderr) {
			t.Errorf("%s: the table does not say so: %s", off, r)
		}
		if r := l.run(t.Context(), h, "up", "lab", "--until", "deploy"); r.code == 0 || !regexp.MustCompile(`us-west-2-1.*clock`).MatchString(r.stderr) {
			t.Errorf("%s: up takes it: %s", off, r)
		}
	}
}

// A certificate as a computer sees it whose clock is off: pki verify at that time, and
// openssl with such a clock.
func TestChainADayOff(t *testing.T) {
	beside(t, 0)
	lib := faketime(t)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here to compare with: apt-get install openssl")
	}
	h := newHome(t)
	dir := t.TempDir()
	ca, out := filepath.Join(dir, "ca"), filepath.Join(dir, "node")
	h.must(t, "pki", "init", "--dir", ca)
	h.must(t, "pki", "issue", "node", "--dir", ca, "--out", out, "--ip", "203.0.113.10")
	roots, leaf := filepath.Join(out, "ca.pem"), filepath.Join(out, "node.pem")
	first := regexp.MustCompile(`(?m)^error (\d+) at \d+ depth lookup`)
	const notYet, expired = 9, 10
	for _, tt := range []struct {
		off  time.Duration
		want int // OpenSSL's code; 0 is none
	}{
		{0, 0},
		{-30 * time.Minute, 0}, // certificates are dated back for this
		{-24 * time.Hour, notYet},
		{24 * time.Hour, 0},
		{398 * 24 * time.Hour, expired},
	} {
		at := time.Now().Add(tt.off).UTC().Format(time.RFC3339)
		r := h.run(t.Context(), "pki", "verify", "--ca", roots, "--purpose", "internode", "--ip", "203.0.113.10", "--at", at, "-o", "json", leaf)
		got := decode[verbs.VerifyResult](t, r)
		if (r.code == 0) != (tt.want == 0) || got.OK != (tt.want == 0) {
			t.Errorf("%s: %s", tt.off, r)
		}
		for _, e := range got.Errors {
			if e.Code != tt.want || e.Hint == "" {
				t.Errorf("%s: %+v", tt.off, e)
			}
		}
		cmd := exec.CommandContext(t.Context(), openssl, "verify", "-CAfile", roots, leaf)
		cmd.Env = append(cmd.Environ(), "LD_PRELOAD="+lib, "FAKETIME="+strconv.Itoa(int(tt.off.Seconds())))
		if tt.off >= 0 {
			cmd.Env[len(cmd.Env)-1] = "FAKETIME=+" + strconv.Itoa(int(tt.off.Seconds()))
		}
		text, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code := 0
		if m := first.FindSubmatch(text); m != nil {
			code, _ = strconv.Atoi(string(m[1]))
		}
		if code != tt.want || (err == nil) != (tt.want == 0) {
			t.Errorf("%s: openssl says %d: %s", tt.off, code, text)
		}
	}
}

// faketime is the library that gives programs another clock.
func faketime(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(found) == 0 {
		t.Skip("there is no libfaketime to put a clock off with: apt-get install faketime")
	}
	return found[0]
}
