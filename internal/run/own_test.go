package run

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/journal"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
)

func TestOwnState(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(here, link); err != nil {
		t.Fatal(err)
	}
	plan := topology.Plan{Name: "gk"}
	remote := func(name, dir string) topology.Inventory {
		return topology.Inventory{Plan: topology.Plan{Name: name}, Remote: &topology.Remote{Dir: dir}}
	}
	for what, tt := range map[string]struct {
		inv  topology.Inventory
		made string
		ok   bool
	}{
		"its own":                        {inv: remote("gk", here), ok: true},
		"its own, by another path":       {inv: remote("gk", link), ok: true},
		"moved from a place that is not": {inv: remote("gk", filepath.Join(there, "gone")), ok: true},
		"copied":                         {inv: remote("gk", there), made: there},
		"copied, on this computer":       {inv: topology.Inventory{Plan: plan, Local: &topology.Local{Dir: there}}, made: there},
		"copied, of ccm":                 {inv: topology.Inventory{Plan: plan, CCM: &topology.CCM{Dir: there}}, made: there},
		"copied, in containers":          {inv: topology.Inventory{Plan: plan, Containers: &topology.Containers{Dir: there}}, made: there},
		"renamed":                        {inv: remote("other", here)},
	} {
		err := ownState("gk", here, tt.inv)
		var foreign *ForeignStateError
		switch {
		case tt.ok && err != nil, !tt.ok && !errors.As(err, &foreign):
			t.Errorf("%s: %v", what, err)
		case !tt.ok && (foreign.Made != tt.made || exitCode(err) != ExitBusy || foreign.Hint() == ""):
			t.Errorf("%s: %+v, exit %d, hint %q", what, foreign, exitCode(err), foreign.Hint())
		}
	}
}

// The networks of the first up are those of a later one that does not name any.
func TestSavedOperators(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	dir := w.provider("").Dir("gk")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	with := func(cidrs ...string) spec.Spec {
		s := spec.Spec{Name: "gk", Provider: "ec2", Regions: []spec.Region{{Region: "us-east-1"}}, EC2: &spec.EC2{OperatorCIDR: cidrs}}
		spec.Defaults(&s)
		return s
	}
	if got := w.withSavedOperators(with()); len(got.EC2.OperatorCIDR) != 0 {
		t.Errorf("nothing was made: %v", got.EC2.OperatorCIDR)
	}
	// Half made, without a spec that was written down: the plan has them.
	inv := topology.Inventory{
		Plan:  topology.Plan{Name: "gk", EC2: &topology.EC2Plan{OperatorCIDRs: []string{"198.18.255.4/32"}}},
		Nodes: []topology.Node{{Name: "us-east-1-1"}}, Remote: &topology.Remote{Dir: dir},
	}
	if err := journal.WriteInventory(filepath.Join(dir, "inventory.json"), inv); err != nil {
		t.Fatal(err)
	}
	given := with()
	if got := w.withSavedOperators(given); !slices.Equal(got.EC2.OperatorCIDR, []string{"198.18.255.4/32"}) || len(given.EC2.OperatorCIDR) != 0 {
		t.Errorf("from the plan: %v; the spec given has %v", got.EC2.OperatorCIDR, given.EC2.OperatorCIDR)
	}
	if err := writeSpec(dir, with("198.18.100.0/24")); err != nil {
		t.Fatal(err)
	}
	if got := w.withSavedOperators(with()); !slices.Equal(got.EC2.OperatorCIDR, []string{"198.18.100.0/24"}) {
		t.Errorf("from the spec: %v", got.EC2.OperatorCIDR)
	}
	if got := w.withSavedOperators(with("192.0.2.0/24")); !slices.Equal(got.EC2.OperatorCIDR, []string{"192.0.2.0/24"}) {
		t.Errorf("what is given now counts: %v", got.EC2.OperatorCIDR)
	}
}

// What is collected stays below its directory, has no passwords in it, and no keys.
func TestUnpackFiles(t *testing.T) {
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	for _, f := range []struct{ name, text string }{
		{"./cassandra.yaml", "cluster_name: x\nkeystore_password: verysecret\n    truststore_password: 'very secret'\nauthenticator: PasswordAuthenticator\n" +
			"server_encryption_options: {\"keystore_password\": \"very\\\"secret\", truststore_password: secret, optional: false}\nclient_password: a secret, with more\n"},
		{"../../../etc/jvm.options", "-Dcom.sun.management.jmxremote.password=verysecret\n-Xmx1G\n"},
		{"./server.key.pem", "verysecret"}, {"./keystore.jks", "verysecret"},
	} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unpackFiles(bytes.NewReader(archive.Bytes()), dir, withoutSecrets); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	all := ""
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	if strings.Contains(all, "secret") || strings.Count(all, "(not collected)") != 6 || !strings.Contains(all, "cluster_name: x\n") ||
		!strings.Contains(all, "authenticator: PasswordAuthenticator\n") || !strings.Contains(all, "-Xmx1G\n") || !strings.Contains(all, ", optional: false}") || strings.Contains(all, "with more") {
		t.Errorf("kept:\n%s", all)
	}
	if err := unpackFiles(strings.NewReader(""), dir, nil); err != nil {
		t.Errorf("of a directory without files: %v", err)
	}
	if err := unpackFiles(bytes.NewReader(archive.Bytes()[:40]), dir, nil); err == nil {
		t.Error("half an archive is no error")
	}
}

// What another user made is changed by nobody else, root included, and its password is
// made once, for its owner alone.
func TestAnothersCluster(t *testing.T) {
	w := World{StateDir: t.TempDir(), Say: t.Logf}
	dir := w.provider("").Dir("theirs")
	if err := journal.PrivateDir(dir); err != nil {
		t.Fatal(err)
	}
	if known, err := state.KnownAgentPassword(dir); known != "" || err != nil {
		t.Errorf("before there is one: %q, %v", known, err)
	}
	// What was left of an earlier try is no place for it.
	if err := os.WriteFile(filepath.Join(dir, "agent.password"+".new"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	made, err := state.AgentPassword(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.AgentPassword(dir)
	known, knownErr := state.KnownAgentPassword(dir)
	if len(made) < 24 || again != made || known != made || err != nil || knownErr != nil {
		t.Errorf("%q, %q, %q, %v, %v", made, again, known, err, knownErr)
	}
	if info, err := os.Stat(filepath.Join(dir, "agent.password")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	unlock, err := w.lock(t.Context(), "theirs")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if os.Geteuid() != 0 {
		t.Skip("giving a directory away needs root's rights")
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	var denied *local.DeniedError
	if _, err := w.lock(t.Context(), "theirs"); !errors.As(err, &denied) || exitCode(err) != ExitUsage {
		t.Errorf("%v", err)
	}
}
