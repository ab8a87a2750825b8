package trust

import (
	"crypto/x509"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/pki/wire"
	"crossring/internal/safely"
	"crossring/internal/topology"
	"crossring/internal/until"
)

func TestRotationSteps(t *testing.T) {
	nodes := []topology.Node{{Name: "a"}, {Name: "b"}}
	ids := func(steps []RotateStep) []string {
		var all []string
		for i, s := range steps {
			if s.Number != i+1 || s.Describe() == s.ID() {
				t.Errorf("step %+v", s)
			}
			all = append(all, s.ID())
		}
		return all
	}
	if got, want := ids(rotation{}.steps(nodes)), []string{"certificate crossring", "certificate a", "certificate b"}; !slices.Equal(got, want) {
		t.Errorf("nodes: %q, want %q", got, want)
	}
	all := rotation{CA: true}.steps(nodes)
	if got, want := ids(all), []string{
		"make", "trust crossring", "trust a", "trust b", "certificate crossring", "certificate a", "certificate b",
		"distrust a", "distrust b", "distrust crossring", "retire",
	}; !slices.Equal(got, want) {
		t.Errorf("CA: %q, want %q", got, want)
	}
	for phase, want := range map[until.Phase]int{0: 11, until.Trust: 4, until.Certificates: 7} {
		if i := slices.IndexFunc(all, func(s RotateStep) bool { return s.after(phase) }); i != want && !(i < 0 && want == len(all)) {
			t.Errorf("until %v: %d steps, want %d", phase, i, want)
		}
	}
}

// begun is a cluster with certificates whose CA is being replaced: the new one is
// there.
func begun(t *testing.T, version string) *rotator {
	t.Helper()
	w, c := secured(t, version, 1)
	if err := Ensure(t.Context(), w, c); err != nil {
		t.Fatal(err)
	}
	r := &rotator{World: w, Cluster: c, saved: rotation{Schema: topology.Schema, CA: true, Started: w.Now().UTC()}}
	if err := beginRotation(c.Dir, r.saved); err != nil {
		t.Fatal(err)
	}
	if err := r.makeAuthority(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func rootOf(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	d, err := pki.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// What a node gets while a CA is being replaced has both CAs in its trust, and the
// new one's certificate.
func TestRotatedIdentity(t *testing.T) {
	for _, version := range []string{"1.2", "4.0", "5.0"} {
		r := begun(t, version)
		ctx, n := t.Context(), r.Inv.Nodes[0]
		old, next := rootOf(t, filepath.Join(r.Dir, cluster.AuthorityDir)), rootOf(t, filepath.Join(r.Dir, nextAuthorityDir))
		if old.Subject.String() == next.Subject.String() {
			t.Errorf("%s: both CAs are called %s", version, old.Subject)
		}
		if err := r.makeAuthority(ctx); err != nil || !rootOf(t, filepath.Join(r.Dir, nextAuthorityDir)).Equal(next) {
			t.Errorf("%s: made again it is another one: %v", version, err)
		}
		if cert, err := r.issuedNow(ctx, n); err != nil || cert != nil {
			t.Errorf("%s: before it was issued: %v, %v", version, cert, err)
		}
		d, err := signer(r.Cluster)
		if err != nil {
			t.Fatal(err)
		}
		ips, err := nodeAddresses(r.Cluster, n)
		if err != nil {
			t.Fatal(err)
		}
		password, err := r.StorePassword()
		if err != nil {
			t.Fatal(err)
		}
		if err := newIdentity(ctx, r.World, r.Cluster, d, n, ips, password); err != nil {
			t.Fatal(err)
		}
		cert, err := r.issuedNow(ctx, n)
		if err != nil || cert == nil || cert.CheckSignatureFrom(next) != nil {
			t.Errorf("%s: issued %v, %v", version, cert, err)
		}
		data, err := os.ReadFile(path.Join(n.Layout.TLSDir(), "ca"+verbs.Extension(storeKind(r.Cluster))))
		if err != nil {
			t.Fatal(err)
		}
		trust, err := store.Read(data, password)
		if err != nil || len(trust.Chain) != 2 || !slices.ContainsFunc(trust.Chain, old.Equal) || !slices.ContainsFunc(trust.Chain, next.Equal) {
			t.Errorf("%s: the node trusts %v, %v", version, trust.Chain, err)
		}
		// A start in between leaves all that as it is, and so does a change wait.
		r.Now = func() time.Time { return time.Now().Add(380 * 24 * time.Hour) }
		if err := Ensure(ctx, r.World, r.Cluster); err != nil {
			t.Error(err)
		}
		if same, err := r.issuedNow(ctx, n); err != nil || !same.Equal(cert) {
			t.Errorf("%s: a start changed the certificate: %v", version, err)
		}
		var busy *RotationUnderWayError
		if err := NotRotating(r.Cluster); !errors.As(err, &busy) || busy.ExitCode() != fail.ExitBusy {
			t.Errorf("%s: %v", version, err)
		}
		said := ""
		r.Say = func(format string, _ ...any) { said += format }
		if Expiring(r.World, r.Cluster); !strings.Contains(said, "has not ended") {
			t.Errorf("%s: status says %q", version, said)
		}
	}
}

// The new CA takes its place also when that stops half-way.
func TestRetire(t *testing.T) {
	for _, half := range []bool{false, true} {
		r := begun(t, "5.0")
		old, next := rootOf(t, filepath.Join(r.Dir, cluster.AuthorityDir)), rootOf(t, filepath.Join(r.Dir, nextAuthorityDir))
		if half {
			if err := os.Rename(filepath.Join(r.Dir, "ca"), filepath.Join(r.Dir, "ca-1")); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := retire(r.Cluster); err != nil {
				t.Fatal(err)
			}
		}
		if err := endRotation(r.Dir); err != nil {
			t.Fatal(err)
		}
		if !rootOf(t, filepath.Join(r.Dir, cluster.AuthorityDir)).Equal(next) || !rootOf(t, filepath.Join(r.Dir, "ca-1")).Equal(old) {
			t.Error("the CAs are not where they belong")
		}
		if err := r.makeAuthority(t.Context()); err != nil || rootOf(t, filepath.Join(r.Dir, nextAuthorityDir)).Subject.CommonName != "Lab CA 3" {
			t.Errorf("the third one: %v", err)
		}
	}
}

func TestWhatAServerShows(t *testing.T) {
	r := begun(t, "5.0")
	old, next := rootOf(t, filepath.Join(r.Dir, cluster.AuthorityDir)), rootOf(t, filepath.Join(r.Dir, nextAuthorityDir))
	d, err := pki.Open(filepath.Join(r.Dir, cluster.AuthorityDir), "")
	if err != nil {
		t.Fatal(err)
	}
	_, leaf, err := d.Latest(r.Inv.Nodes[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	both := wire.Seen{CAs: [][]byte{old.RawSubject, next.RawSubject}, Chain: []*x509.Certificate{leaf}}
	one := wire.Seen{CAs: [][]byte{old.RawSubject}}
	for what, tt := range map[string]struct {
		err error
		ok  bool
	}{
		"both":               {trusts(both, []*x509.Certificate{next, old}, true), true},
		"one of both":        {trusts(both, []*x509.Certificate{next}, true), false},
		"at least one":       {trusts(both, []*x509.Certificate{next}, false), true},
		"the old one":        {trusts(one, []*x509.Certificate{next}, false), false},
		"nobody":             {trusts(wire.Seen{}, []*x509.Certificate{next}, false), false},
		"its certificate":    {serves(both, leaf), true},
		"another":            {serves(both, next), false},
		"none":               {serves(one, leaf), false},
		"of the old CA":      {below(both, old), true},
		"not of the new one": {below(both, next), false},
		"none, of nobody":    {below(one, old), false},
	} {
		if (tt.err == nil) != tt.ok {
			t.Errorf("%s: %v", what, tt.err)
		}
	}
}

// What a rotation refuses before it begins.
func TestRotateRefuses(t *testing.T) {
	w, c := secured(t, "5.0", 1)
	ask := func(req RotateRequest) error {
		return (&rotator{World: w, Cluster: c}).prepareFor(t.Context(), req)
	}
	code := func(err error) int {
		var coded interface{ ExitCode() int }
		if !errors.As(err, &coded) {
			return 0
		}
		return coded.ExitCode()
	}
	if err := ask(RotateRequest{Name: "lab", Until: until.Trust}); code(err) != fail.ExitUsage {
		t.Errorf("phases without a CA: %v", err)
	}
	if err := ask(RotateRequest{Name: "lab"}); code(err) != fail.ExitRing {
		t.Errorf("a ring that was never whole: %v", err)
	}
	if err := beginRotation(c.Dir, rotation{Schema: topology.Schema, Started: w.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := ask(RotateRequest{Name: "lab", CA: true}); code(err) != fail.ExitBusy {
		t.Errorf("a CA while certificates are rotated: %v", err)
	}
	if err := ask(RotateRequest{Name: "lab", Restart: true}); err != nil {
		t.Errorf("going on: %v", err)
	}
	if saved, err := readRotation(c.Dir); err != nil || !saved.Restart {
		t.Errorf("what is to be restarted is forgotten: %+v, %v", saved, err)
	}
	if err := endRotation(c.Dir); err != nil {
		t.Fatal(err)
	}
	if err := safely.JSON(filepath.Join(c.Dir, cluster.ChangeFile), cluster.SavedChange{Schema: topology.Schema, Plan: topology.Plan{Change: &topology.Change{}}}, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ask(RotateRequest{Name: "lab"}); code(err) != fail.ExitBusy {
		t.Errorf("while nodes come and go: %v", err)
	}
	c.Inv.Plan.TLS = nil
	if err := ask(RotateRequest{Name: "lab"}); code(err) != fail.ExitUsage {
		t.Errorf("without TLS: %v", err)
	}
}
