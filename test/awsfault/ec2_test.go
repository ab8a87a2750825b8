package awsfault

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/plan"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// childPlan names the file of a plan that this test binary makes, instead of running
// tests: the process that is killed.
const (
	childPlan  = "CROSSRING_AWSFAULT_PLAN"
	childState = "CROSSRING_AWSFAULT_STATE"
	childVerb  = "CROSSRING_AWSFAULT_VERB" // make, unmake, resize, or renew and a node
)

// lab is moto, running for all tests; why says why it is not.
var lab struct {
	moto *Moto
	why  string
	dir  string // for what all tests share
}

func TestMain(m *testing.M) {
	if os.Getenv(childPlan) != "" {
		os.Exit(child())
	}
	os.Exit(withMoto(m))
}

func withMoto(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "crossring-awsfault")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	lab.dir = dir
	cache, err := os.UserCacheDir()
	if err == nil {
		var server string
		if server, err = InstallMoto(ctx, filepath.Join(cache, "crossring")); err == nil {
			lab.moto, err = StartMoto(ctx, server, filepath.Join(dir, "moto.log"))
		}
	}
	if err != nil {
		lab.why = err.Error()
	} else {
		defer func() { _ = lab.moto.Stop() }() // it ends with this process anyway
	}
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "",
		"AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"),
		"AWS_PROFILE": "", "AWS_NEW_RETRIES_2026": "false",
	} {
		if err := os.Setenv(key, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// bench is one cluster against moto behind a proxy.
type bench struct {
	proxy    *Proxy
	plan     topology.Plan
	provider ec2.Provider
	regions  []string
	before   Stock
	want     map[string]int // what a clean make makes
}

// needMoto skips a test where moto can't be had.
func needMoto(t *testing.T) {
	t.Helper()
	if lab.moto == nil {
		t.Skip("no moto server: " + lab.why)
	}
}

const twoRegions = `
regions: [{region: us-east-1}, {region: us-west-2}]
ec2:
  instance_type: m5.xlarge
  ami: {name: "al2023-ami-2023*", owner: "137112412989"}
  volumes: {data: {size_gb: 10}, commitlog: {size_gb: 10}}
  operator_cidr: 198.18.255.4/32
`

func newBench(t *testing.T, text string) *bench {
	t.Helper()
	needMoto(t)
	s, err := spec.Parse("c.yaml", []byte("version: crossring/v1\nname: fault\nprovider: ec2\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{proxy: NewProxy(lab.moto.URL), plan: p}
	t.Cleanup(b.proxy.Close)
	t.Setenv("AWS_ENDPOINT_URL_EC2", b.proxy.URL)
	t.Setenv("AWS_ENDPOINT_URL", b.proxy.URL)
	for _, n := range p.Nodes {
		if len(b.regions) == 0 || b.regions[len(b.regions)-1] != n.Region {
			b.regions = append(b.regions, n.Region)
		}
	}
	b.provider = provider(t.TempDir(), t.Logf)
	b.before = b.stock(t)
	return b
}

func provider(state string, say func(string, ...any)) ec2.Provider {
	return ec2.Provider{StateDir: state, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Say: say, Now: time.Now,
		Pace: ec2.Pace{Poll: 5 * time.Millisecond, MaxPoll: 50 * time.Millisecond, Looks: 6, Call: 30 * time.Second, Wait: time.Minute}}
}

func (b *bench) stock(t *testing.T) Stock {
	t.Helper()
	s, err := Count(context.Background(), lab.moto.URL, b.regions)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// made counts by type what there is more than before.
func (b *bench) made(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	for _, thing := range b.stock(t).Without(b.before) {
		fields := strings.Fields(thing)
		count[fields[0]+" "+fields[1]]++
	}
	return count
}

// none checks that nothing is left.
func (b *bench) none(t *testing.T) {
	t.Helper()
	if left := b.stock(t).Without(b.before); len(left) > 0 {
		t.Errorf("left: %s", strings.Join(left, ", "))
	}
}

// child makes or unmakes the plan of its environment.
func child() int {
	var p topology.Plan
	data, err := os.ReadFile(os.Getenv(childPlan))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	pr := provider(os.Getenv(childState), func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	inv, readErr := pr.Inventory(p.Name)
	switch verb := os.Getenv(childVerb); verb {
	case "make":
		_, err = pr.Make(context.Background(), p)
	case "resize":
		_, err = pr.Resize(context.Background(), p)
	case "unmake":
		if err = readErr; err == nil {
			err = pr.Unmake(context.Background(), inv)
		}
	default:
		var old topology.Node
		if old, err = inv.Node(strings.TrimPrefix(verb, "renew ")); err == nil {
			_, err = pr.Resize(context.Background(), p, old)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// inChild runs a verb in a process of its own, which the proxy can kill.
func (b *bench) inChild(t *testing.T, verb string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.json")
	data, err := json.Marshal(b.plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childPlan+"="+file, childState+"="+b.provider.StateDir, childVerb+"="+verb)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	// The first call may arrive before Start is back.
	started := make(chan struct{})
	b.proxy.Kill = func() {
		<-started
		_ = cmd.Process.Kill()
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err = cmd.Wait()
	if b.proxy.Reached() && cmd.ProcessState.Exited() {
		t.Errorf("the process was to be killed, and ended by itself: %v\n%s", err, out)
	}
	if !b.proxy.Reached() && err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
