package spec

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/strict"
	"crossring/internal/topology"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseMinimal(t *testing.T) {
	got, err := Parse("cluster.yaml", read(t, "valid-minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Version: Version, Name: "tiny", ClusterName: "tiny", Cassandra: "5.0", Partitioner: "Murmur3Partitioner",
		Provider: "local", Regions: []Region{{Region: "us-east-1", Zone: "us-east-1a", Nodes: 1}}, Naming: "legacy", NumTokens: 1,
		Disks: Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"}, RTT: nil,
		Keyspace: Keyspace{Name: "crossring", Table: "rows_by_key"},
		Stress: Stress{Load: topology.Load{Rows: 100_000, ValueBytes: 2048, InFlight: 128, WriteCL: "ONE", ReadCL: "ONE"},
			MissingDeadline: "2m0s"},
	}
	got.source = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseFull(t *testing.T) {
	got, err := Parse("cluster.yaml", read(t, "valid-full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Version: Version, Name: "full-1", ClusterName: "Full Cluster", Cassandra: "1.2", Partitioner: "RandomPartitioner",
		Provider: "ec2",
		Regions: []Region{
			{Region: "us-west-2", Zone: "us-west-2b", Nodes: 3}, {Region: "us-west-2", Zone: "us-west-2-lax-1a", Nodes: 1}, {Region: "us-gov-east-1", Zone: "us-gov-east-1a", Nodes: 1}},
		Naming: "standard", NumTokens: 16, Disks: Disks{Data: "d1", Commitlog: "d2", SavedCaches: "d2"}, HeapMB: 2048,
		RTT:      RoundTrips{AllPairs: 0},
		Keyspace: Keyspace{Name: "lab", Table: "kv", Replication: map[string]int{"us-west-2": 3, "us-gov-east": 1}},
		Settings: map[string]any{
			"concurrent_writes": int64(64), "compaction_throughput_mb_per_sec": int64(64), "phi_convict_threshold": 8.5,
			"hinted_handoff_enabled": false, "authenticator": nil,
			"request_scheduler_options": map[string]any{"weights": map[string]any{"a": int64(1)}}},
		Stress: Stress{Load: topology.Load{Rows: 5, ValueBytes: 64, InFlight: 1, Rate: 1000, WriteCL: "EACH_QUORUM", ReadCL: "LOCAL_ONE",
			WriteDC: "us-west-2", ReadDC: "us-gov-east"}, MissingDeadline: "2m0s"},
		EC2: &EC2{
			InstanceType: "m5.xlarge", Architecture: "arm64", AMI: AMI{IDs: map[string]string{"us-west-2": "ami-12345678", "us-gov-east-1": "ami-87654321"}},
			SSHUser: "admin", RootGB: 16, Key: "generated", VPC: "own", PublicIP: "ephemeral", TTL: "1h30m0s", Owner: "me@example.org",
			Volumes:      &Volumes{Data: Volume{Type: "gp3", SizeGB: 100, IOPS: 4000, Throughput: 250}, Commitlog: Volume{Type: "gp2", SizeGB: 50}},
			OperatorCIDR: []string{"198.18.255.4/32"}, CassandraMirror: "https://mirror.example.org/cassandra",
		},
	}
	got.source = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// releases lists the versions that there are, as messages do.
func releases() string {
	var all []string
	for _, r := range release.All() {
		all = append(all, r.Version)
	}
	return strings.Join(all, ", ")
}

// Each invalid file lists its problems in its comments, as "want: line: problem".
// $RELEASES stands for all versions.
func TestParseInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no invalid specs: %v", err)
	}
	known := strings.NewReplacer("$RELEASES", releases(), "$NEWEST", releasetest.Newest(), "$OLDEST", releasetest.Oldest(), "$SERIES", release.Newest().Series)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := read(t, filepath.Base(file))
			var want []string
			for _, line := range strings.Split(string(data), "\n") {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					// A problem of no line has its file only.
					sep := ": "
					if w[0] >= '0' && w[0] <= '9' {
						sep = ":"
					}
					want = append(want, "c.yaml"+sep+known.Replace(w))
				}
			}
			_, err := Parse("c.yaml", data)
			if err == nil {
				t.Fatal("is taken")
			}
			if got := err.Error(); got != strings.Join(want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
			if n := len(Problems(err)); n != len(want) {
				t.Errorf("Problems lists %d of %d", n, len(want))
			}
		})
	}
}

func TestParseRefusesOtherFiles(t *testing.T) {
	for name, data := range map[string]string{
		"x: is empty": " \n",
		"x: larger than 1048576 bytes: not a spec":                   strings.Repeat("#", strict.MaxBytes+1),
		"x: not YAML: control characters are not allowed (value: 0)": "\x00\x01",
	} {
		_, err := Parse("x", []byte(data))
		if err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	deep := "version: crossring/v1\nname: deep\nregions: [{region: us-east-1}]\nsettings:\n  startup_checks: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}"
	_, err := Parse("x", []byte(deep))
	if err == nil || !strings.HasSuffix(err.Error(), ": nests deeper than 16 levels") {
		t.Errorf("deep nesting: got %v", err)
	}
}

func TestProblemIsTyped(t *testing.T) {
	_, err := Parse("c.yaml", []byte("version: crossring/v1\nname: ok\nregions:\n- region: us-east-1\n  nodes: 0\n"))
	var p *Problem
	if !errors.As(err, &p) || *p != (Problem{File: "c.yaml", Line: 5, Path: "regions[0].nodes", Message: "must be at least 1"}) {
		t.Errorf("got %#v", p)
	}
}

// A spec that is made by a program has no file and no lines.
func TestValidateWithoutFile(t *testing.T) {
	s := Spec{Name: "made", Regions: []Region{{Region: "us-east-1"}, {Region: "us-west-2", Nodes: -1}}}
	Defaults(&s)
	if err := Validate(s); err == nil || err.Error() != "regions[1].nodes: must be at least 1" {
		t.Errorf("got %v", err)
	}
	s.Regions[1].Nodes = 2
	if err := Validate(s); err != nil {
		t.Error(err)
	}
}

func TestDefaultsAgain(t *testing.T) {
	shared := []Region{{Region: "us-east-1"}}
	s := Spec{Name: "made", Regions: shared}
	Defaults(&s)
	if shared[0].Nodes != 0 {
		t.Error("Defaults writes into a list that it was lent")
	}
	again := s
	Defaults(&again)
	if !reflect.DeepEqual(s, again) {
		t.Errorf("got %+v, then %+v", s, again)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	s, err := Parse("c.yaml", read(t, "valid-full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Spec
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if changes, err := Diff(s, back); err != nil || len(changes) > 0 {
		t.Errorf("got %v, %v", changes, err)
	}
	if err := Validate(back); err != nil {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	base := func() Spec {
		s, err := Parse("c.yaml", read(t, "valid-full.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	minimal, err := Parse("m.yaml", read(t, "valid-minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Spec)
		want   []string
	}{
		{"nothing", func(*Spec) {}, nil},
		{"another file", func(s *Spec) { s.source = minimal.source }, nil},
		{"nodes and rows", func(s *Spec) { s.Regions[0].Nodes = 4; s.Stress.Rows = 10_000_000_000_000_000 },
			[]string{"regions[0].nodes: 3 → 4", "stress.rows: 5 → 10000000000000000"}},
		{"a region more", func(s *Spec) {
			s.Regions = append(s.Regions, Region{Region: "eu-west-1", Zone: "eu-west-1a", Nodes: 1})
		},
			[]string{`regions[3].nodes: (none) → 1`, `regions[3].region: (none) → "eu-west-1"`, `regions[3].zone: (none) → "eu-west-1a"`}},
		{"no replication", func(s *Spec) { s.Keyspace.Replication = nil },
			[]string{"keyspace.replication.us-gov-east: 1 → (none)", "keyspace.replication.us-west-2: 3 → (none)"}},
		{"a setting of another kind", func(s *Spec) { s.Settings["concurrent_writes"] = "64" },
			[]string{`settings.concurrent_writes: 64 → "64"`}},
		{"an empty setting", func(s *Spec) { s.Settings["x"] = map[string]any{} }, []string{"settings.x: (none) → map[]"}},
	}
	for _, tt := range tests {
		b := base()
		tt.change(&b)
		got, err := Diff(base(), b)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := Diff(minimal, Spec{Settings: map[string]any{"f": func() {}}}); err == nil {
		t.Error("a setting that is not data is compared")
	}
}

func TestDidYouMean(t *testing.T) {
	for _, tt := range []struct{ wrong, want string }{
		{"regoins", ": did you mean regions?"},
		{"Regions", ": did you mean regions?"},
		{"nodes", ""},
		{"nam", ": did you mean name?"},
		{"", ""},
		{"ame", ": did you mean name?"},
	} {
		if got := didYouMean(tt.wrong, []string{"name", "regions", "naming"}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.wrong, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no specs: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("c.yaml", data)
		if err != nil {
			if len(Problems(err)) == 0 {
				t.Errorf("an error without problems: %v", err)
			}
			return
		}
		if err := Validate(s); err != nil {
			t.Errorf("what was taken is not valid: %v", err)
		}
		if changes, err := Diff(s, s); err != nil || len(changes) > 0 {
			t.Errorf("a spec differs from itself: %v, %v", changes, err)
		}
	})
}

// A network from which nobody comes would make hosts that nobody reaches.
func TestCheckCIDR(t *testing.T) {
	for cidr, want := range map[string]string{
		"198.18.255.4/32": "", "0.0.0.0/0": "", "10.0.0.0/8": "", "192.0.0.0/8": "", "8.8.8.8/32": "",
		"203.0.113.4/32": "documentation", "203.0.113.0/24": "documentation", "198.51.100.128/25": "documentation", "192.0.2.1/32": "documentation",
		"127.0.0.1/32": "does not leave", "169.254.1.0/24": "does not leave", "224.0.0.1/32": "nobody", "255.255.255.255/32": "nobody", "0.0.0.0/32": "nobody",
		"10.0.0.1/8": "bits set", "2001:db8::/32": "IPv4", "everywhere": "IPv4", "": "IPv4",
	} {
		if got := CheckCIDR(cidr); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", cidr, got)
		}
	}
}
