package yamlgen

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func parse(t *testing.T, doc string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	return m
}

func seedsOf(t *testing.T, doc map[string]any) string {
	t.Helper()
	provider := doc["seed_provider"].([]any)[0].(map[string]any)
	if got := provider["class_name"]; got != "org.apache.cassandra.locator.SimpleSeedProvider" {
		t.Errorf("seed provider %v", got)
	}
	return provider["parameters"].([]any)[0].(map[string]any)["seeds"].(string)
}

func wantValues(t *testing.T, doc, want map[string]any) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		got, ok := doc[key]
		if want[key] == nil {
			if ok {
				t.Errorf("%s is there: %v", key, got)
			}
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(want[key]) || fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want[key]) {
			t.Errorf("%s: %v (%T), want %v (%T)", key, got, got, want[key], want[key])
		}
	}
}

// The settings of the experiment, one by one, as rendered for EC2.
func TestExperimentTable(t *testing.T) {
	inv := gk(releasetest.Oldest())
	tokens := []string{"0", "169417178424467235000914166253263322299"}
	for i, node := range inv.Nodes {
		text := render(t, inv, node, gkEnv())[CassandraYAML]
		doc := parse(t, text)
		wantValues(t, doc, map[string]any{
			"cluster_name":           "GK Cluster",
			"num_tokens":             nil,
			"initial_token":          tokens[i],
			"partitioner":            "org.apache.cassandra.dht.RandomPartitioner",
			"data_file_directories":  []any{"/fs/fs1/cassandra/data"},
			"commitlog_directory":    "/fs/fs2/cassandra/commitlog",
			"saved_caches_directory": "/fs/fs2/cassandra/saved_caches",
			"listen_address":         []string{"10.0.1.11", "10.0.2.22"}[i],
			"broadcast_address":      []string{"192.0.2.11", "198.51.100.22"}[i],
			"rpc_address":            []string{"10.0.1.11", "10.0.2.22"}[i],
			"endpoint_snitch":        "Ec2MultiRegionSnitch",
		})
		if got := seedsOf(t, doc); got != "192.0.2.11,198.51.100.22" {
			t.Errorf("seeds %q", got)
		}
		if !strings.Contains(text, "\n# num_tokens: 1\n") {
			t.Error("num_tokens is not there as a comment")
		}
	}
}

// Every value that comes from the plan, by series, read back from the YAML.
func TestValuesBySeries(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := local(rel.Version, "/state/gk cluster")
		node := inv.Nodes[1]
		root := "/state/gk cluster/us-west-2-1"
		doc := parse(t, render(t, inv, node, gkEnv())[CassandraYAML])
		wantValues(t, doc, map[string]any{
			"cluster_name": "GK Cluster", "initial_token": "169417178424467235000914166253263322299",
			"partitioner":           "org.apache.cassandra.dht.RandomPartitioner",
			"data_file_directories": []any{root + "/fs1/data"}, "commitlog_directory": root + "/fs2/commitlog",
			"saved_caches_directory": root + "/fs2/saved_caches",
			"listen_address":         "127.9.3.1", "broadcast_address": "127.9.103.1", "rpc_address": "127.9.3.1",
			"storage_port": 7000, "ssl_storage_port": 7001, "native_transport_port": 9042, "start_native_transport": true,
			"endpoint_snitch": "Ec2MultiRegionSnitch", "auto_bootstrap": false, "hinted_handoff_enabled": true,
			"internode_compression": "none", "commitlog_sync": "periodic",
		})
		if got := seedsOf(t, doc); got != "127.9.102.1,127.9.103.1" {
			t.Errorf("seeds %q", got)
		}
		if got := doc["server_encryption_options"].(map[string]any)["internode_encryption"]; got != "none" {
			t.Errorf("internode_encryption %v", got)
		}
		if got := doc["client_encryption_options"].(map[string]any)["enabled"]; got != false {
			t.Errorf("client encryption %v", got)
		}

		per := map[string]any{"broadcast_rpc_address": nil, "hints_directory": nil, "cdc_raw_directory": nil, "start_rpc": nil, "rpc_port": nil}
		if rel.Series != release.All()[0].Series { // it came after the oldest
			per["broadcast_rpc_address"] = "127.9.3.1"
		}
		if rel.HintsDirectory {
			per["hints_directory"] = root + "/fs1/hints"
		}
		if rel.CDCDirectory {
			per["cdc_raw_directory"] = root + "/fs2/cdc_raw"
		}
		if rel.ThriftServer {
			per["start_rpc"], per["rpc_port"] = false, 9160
		}
		switch rel.Series {
		case "1.2", "2.2", "3.11", "4.0":
			per["num_tokens"] = nil
			if rel.Series == "4.0" {
				per["num_tokens"] = 1
			}
			per["commitlog_sync_period_in_ms"], per["max_hint_window_in_ms"] = 10000, 10800000
			per["read_request_timeout_in_ms"], per["write_request_timeout_in_ms"], per["range_request_timeout_in_ms"] = 10000, 10000, 30000
			per["truncate_request_timeout_in_ms"], per["request_timeout_in_ms"] = 60000, 10000
		default:
			per["num_tokens"] = 1
			per["commitlog_sync_period"], per["max_hint_window"], per["commitlog_segment_size"] = "10000ms", "3h", "32MiB"
			per["read_request_timeout"], per["write_request_timeout"], per["range_request_timeout"] = "10000ms", "10000ms", "30000ms"
			per["truncate_request_timeout"], per["request_timeout"] = "60000ms", "10000ms"
		}
		if rel.Series == "1.2" {
			per["authenticator"] = "org.apache.cassandra.auth.AllowAllAuthenticator"
			per["request_scheduler"] = "org.apache.cassandra.scheduler.NoScheduler"
		}
		wantValues(t, doc, per)
	})
}

// On machines of their own the nodes keep their series' timeouts and compression.
func TestDefaultsOffTheLocalProvider(t *testing.T) {
	want := map[string]map[string]any{
		"1.2":  {"read_request_timeout_in_ms": 10000, "write_request_timeout_in_ms": 10000, "internode_compression": "all", "start_rpc": true},
		"2.2":  {"read_request_timeout_in_ms": 5000, "write_request_timeout_in_ms": 2000, "internode_compression": "all", "start_rpc": true},
		"3.11": {"read_request_timeout_in_ms": 5000, "write_request_timeout_in_ms": 2000, "internode_compression": "dc", "start_rpc": true},
		"4.0":  {"read_request_timeout_in_ms": 5000, "write_request_timeout_in_ms": 2000, "internode_compression": "dc"},
		"4.1":  {"read_request_timeout": "5000ms", "write_request_timeout": "2000ms", "internode_compression": "dc"},
		"5.0":  {"read_request_timeout": "5000ms", "write_request_timeout": "2000ms", "internode_compression": "dc"},
	}
	eachRelease(t, func(t *testing.T, rel release.Release) {
		for _, provider := range []string{"ec2", "hosts"} {
			inv := gk(rel.Version)
			inv.Plan.Provider = provider
			if want[rel.Series] == nil {
				t.Fatalf("no row for %s", rel.Series)
			}
			wantValues(t, parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML]), want[rel.Series])
		}
	})
}

func TestFilesByProvider(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		logs := map[string]string{"log4j": log4j, "logback": logback}[rel.Log]
		base := []string{CassandraYAML, Rackdc, JVMOptions, AgentConfig, AgentPolicy, logs}
		for provider, want := range map[string][]string{
			"ec2": append(slices.Clone(base), UnitFile), "hosts": append(slices.Clone(base), UnitFile), "local": base, "ccm": base,
		} {
			inv := gk(rel.Version)
			inv.Plan.Provider = provider
			got := slices.Sorted(maps.Keys(render(t, inv, inv.Nodes[0], gkEnv())))
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", provider, got, want)
			}
		}
	})
}

func TestVirtualNodesAndJoiners(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := gk(rel.Version)
		inv.Plan.NumTokens = 3
		inv.Plan.Partitioner = "org.apache.cassandra.dht.Murmur3Partitioner"
		node := inv.Nodes[0]
		node.Tokens = []string{"-9223372036854775808", "-3074457345618258603", "3074457345618258602"}
		node.Bootstrap = true
		doc := parse(t, render(t, inv, node, gkEnv())[CassandraYAML])
		wantValues(t, doc, map[string]any{
			"num_tokens": 3, "initial_token": "-9223372036854775808,-3074457345618258603,3074457345618258602",
			"auto_bootstrap": true, "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
		})
		node.Tokens = nil
		doc = parse(t, render(t, inv, node, gkEnv())[CassandraYAML])
		wantValues(t, doc, map[string]any{"num_tokens": 3, "initial_token": nil})
	})
}

func TestRackdc(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := gk(rel.Version)
		got := properties(t, render(t, inv, inv.Nodes[0], gkEnv())[Rackdc])
		want := map[string]string{}
		if rel.NamingSchemeKey {
			want["ec2_naming_scheme"] = "legacy"
		}
		if rel.MetadataTypeKey {
			want["ec2_metadata_type"] = "v2"
		}
		if !maps.Equal(got, want) {
			t.Errorf("ec2 snitch: %v, want %v", got, want)
		}
		second := inv.Nodes[0]
		second.Datacenter = "us-east-b"
		want["dc_suffix"] = "-b"
		if got := properties(t, render(t, inv, second, gkEnv())[Rackdc]); !maps.Equal(got, want) {
			t.Errorf("a second datacenter of the region: %v, want %v", got, want)
		}

		inv.Plan.Snitch = "GossipingPropertyFileSnitch"
		got = properties(t, render(t, inv, inv.Nodes[1], gkEnv())[Rackdc])
		if want := map[string]string{"dc": "us-west-2", "rack": "2a"}; !maps.Equal(got, want) {
			t.Errorf("gossiping snitch: %v, want %v", got, want)
		}
	})
}

func properties(t *testing.T, text string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			t.Errorf("line %q", line)
		}
		got[k] = v
	}
	return got
}

func TestWhatIsMissingIsAllNamed(t *testing.T) {
	inv := gk(releasetest.Newest())
	inv.Plan.ClusterName = ""
	node := inv.Nodes[0]
	node.PublicAddress, node.Layout.Hints, node.Layout.Tmp = "", "", "tmp"
	node.Tokens = []string{"0", "1"}
	_, err := Render(inv, node, Env{})
	var incomplete *IncompleteError
	if !errors.As(err, &incomplete) {
		t.Fatalf("%v", err)
	}
	want := []string{
		"no cluster name", "no public address", "2 tokens where num_tokens is 1", "no class path",
		`tmp directory "tmp" is not an absolute path`, `hints directory "" is not an absolute path`,
	}
	if incomplete.Node != "us-east-1-1" || !slices.Equal(incomplete.Problems, want) {
		t.Errorf("%s: %q\nwant %q", incomplete.Node, incomplete.Problems, want)
	}

	var unknown *release.UnknownError
	inv.Plan.Version = "0.8.1"
	if _, err := Render(inv, inv.Nodes[0], gkEnv()); !errors.As(err, &unknown) {
		t.Errorf("version 0.8.1: %v", err)
	}
}

// Same input, same bytes; and the bytes are those reviewed in testdata.
func TestGolden(t *testing.T) {
	all := release.All()
	for _, rel := range []release.Release{all[0], all[len(all)-1]} {
		for _, inv := range []topology.Inventory{gk(rel.Version), local(rel.Version, "/state/gk")} {
			for _, node := range inv.Nodes {
				files, err := Render(inv, node, gkEnv())
				if err != nil {
					t.Fatal(err)
				}
				dir := filepath.Join("testdata", inv.Plan.Provider+"-"+rel.Series, node.Name)
				for _, f := range files {
					golden(t, filepath.Join(dir, filepath.Base(f.Path)), f.Data)
				}
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is rendered; look at it with go test ./yamlgen -update and git diff\ngot:\n%s", name, got)
	}
}

// Without a NAT before the machine the server listens at its public address, too.
func TestListensAtBoth(t *testing.T) {
	for _, both := range []bool{false, true} {
		inv := gk(releasetest.Newest())
		inv.Nodes[0].Host = &topology.Host{PublicHere: both}
		text := render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML]
		if doc := parse(t, text); doc["listen_on_broadcast_address"] != both {
			t.Errorf("want %t: %v", both, doc["listen_on_broadcast_address"])
		}
	}
}
