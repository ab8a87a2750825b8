//go:build linux

package awslab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"crossring/test/awsfault"
)

// Lab is a running lab.
type Lab struct {
	// MemoryMB bounds each host's memory; 0 does not.
	MemoryMB int
	// Endpoint is the URL of EC2's API in the operator's namespace.
	Endpoint string
	// Mirror is a URL that the hosts reach, of the files below Files.
	Mirror string
	Files  string
	// Operator is the network that the operator's calls come from.
	Operator string

	moto      *awsfault.Moto
	proxy     *awsfault.Proxy
	engine    engine
	lock      *os.File
	servers   []*http.Server
	addresses *addresses
	subnets   map[string]string // network of each region
	say       func(format string, args ...any)

	refreshing sync.Mutex // holds whoever reads the emulator to write the router's rules
	mu         sync.Mutex
	hosts      map[string]*host  // by instance
	publicKeys map[string]string // by "region name"
	problems   []error
}

// Config says how a lab is made.
type Config struct {
	// Cache keeps the image and the emulator from one time to the next.
	Cache string
	// Dir takes what belongs to this lab alone.
	Dir string
	// MemoryMB bounds each host's memory; 0 does not.
	MemoryMB int
	// Say takes a line on what happens.
	Say func(format string, args ...any)
}

// Prepare makes the image of the hosts, without which Start takes minutes more. The
// error is *Unavailable where there can't be a lab.
func Prepare(ctx context.Context, cache string) error {
	if err := need(ctx); err != nil {
		return err
	}
	e, err := newEngine(filepath.Join(cache, "awslab"))
	if err != nil {
		return err
	}
	quiet := func(string, ...any) {}
	held, err := lock(ctx, filepath.Join(e.dir, "lock"), quiet)
	if err != nil {
		return err
	}
	return errors.Join(e.image(ctx, quiet), held.Close())
}

// Start starts a lab without hosts. The error is *Unavailable where there can't be one.
func Start(ctx context.Context, c Config) (l *Lab, err error) {
	if err := need(ctx); err != nil {
		return nil, err
	}
	l = &Lab{MemoryMB: c.MemoryMB, Operator: operatorAddress + "/32", Files: filepath.Join(c.Dir, "mirror"), say: c.Say,
		addresses: newAddresses(), subnets: map[string]string{}, hosts: map[string]*host{}, publicKeys: map[string]string{}}
	for region, s := range spaces {
		l.subnets[region] = s.private.String()
	}
	if l.engine, err = newEngine(filepath.Join(c.Cache, "awslab")); err != nil {
		return nil, err
	}
	if l.lock, err = lock(ctx, filepath.Join(l.engine.dir, "lock"), c.Say); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close(context.WithoutCancel(ctx)))
			l = nil
		}
	}()
	// What a lab left that was killed.
	if err := l.clear(ctx); err != nil {
		return l, err
	}
	if err := l.engine.image(ctx, c.Say); err != nil {
		return l, err
	}
	if err := l.engine.try(ctx); err != nil {
		return l, err
	}
	server, err := awsfault.InstallMoto(ctx, c.Cache)
	if err != nil {
		return l, &Unavailable{Why: err.Error()}
	}
	if l.moto, err = awsfault.StartMoto(ctx, server, filepath.Join(c.Dir, "moto.log")); err != nil {
		return l, err
	}
	l.proxy = awsfault.NewProxy(l.moto.URL)
	l.proxy.Console = l.console
	if err := buildNetwork(ctx); err != nil {
		return l, err
	}
	if err := l.refresh(ctx); err != nil {
		return l, err
	}
	if err := os.MkdirAll(l.Files, 0o755); err != nil {
		return l, fmt.Errorf("make the mirror's directory: %w", err)
	}
	if l.Endpoint, err = l.serve(ctx, operatorNS, "127.0.0.1:0", l); err != nil {
		return l, err
	}
	l.Mirror, err = l.serve(ctx, routerNS, mirrorAddress+":80", http.FileServer(http.Dir(l.Files)))
	return l, err
}

// serve serves in a namespace, until the lab closes.
func (l *Lab) serve(ctx context.Context, namespace, address string, h http.Handler) (url string, err error) {
	listener, err := listenIn(ctx, namespace, address)
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h}
	l.servers = append(l.servers, s)
	go func() { _ = s.Serve(listener) }() // until it is closed
	return "http://" + listener.Addr().String(), nil
}

// Environment is what has a program take the lab for EC2, and an account of nothing.
func (l *Lab) Environment() []string {
	none := filepath.Join(l.Files, "none") // no such file
	return []string{"AWS_ENDPOINT_URL=" + l.Endpoint,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=", "AWS_REGION=",
		"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_NEW_RETRIES_2026=false"}
}

// Block is the block ec2 of a spec for the lab's hosts.
func (l *Lab) Block() string {
	return fmt.Sprintf(`ec2:
  instance_type: m5d.4xlarge
  volumes: local
  ami: {name: "al2023-ami-2023*", owner: "137112412989"}
  ssh_user: %s
  operator_cidr: %s
  cassandra_mirror: %s
`, login, l.Operator, l.Mirror)
}

// Emulator is the URL of the emulator itself, where what was made can be counted.
func (l *Lab) Emulator() string { return l.moto.URL }

// Regions are those in which the lab has hosts.
func (l *Lab) Regions() []string { return []string{"us-east-1", "us-west-2", "eu-west-1"} }

// Command is a command in the operator's namespace: it reaches the hosts as somebody
// on the internet does, and EC2's API.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", operatorNS, name}, args...)...)
}

// Inside runs a line of shell on an instance's host, as root and past the network.
func (l *Lab) Inside(ctx context.Context, instance, line string) (string, error) {
	return l.engine.podman(ctx, "exec", prefix+instance, "sh", "-c", line)
}

// Left lists the containers, loop devices and hosts' namespaces that are there: none
// once every instance is terminated.
func (l *Lab) Left(ctx context.Context) ([]string, error) {
	all, err := l.all(ctx)
	var left []string
	for _, one := range all {
		if one != "namespace "+routerNS && one != "namespace "+operatorNS {
			left = append(left, one)
		}
	}
	return left, err
}

// all lists everything of the lab that this computer's kernel holds.
func (l *Lab) all(ctx context.Context) ([]string, error) {
	var list []string
	containers, err := l.engine.containers(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		list = append(list, "container "+c)
	}
	loops, err := l.engine.loops(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range loops {
		list = append(list, "loop "+d)
	}
	spaces, err := namespaces()
	for _, n := range spaces {
		list = append(list, "namespace "+n)
	}
	return list, err
}

// Problems are what went wrong in the lab itself.
func (l *Lab) Problems() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.problems...)
}

func (l *Lab) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = append(l.problems, err)
	l.say("lab: %v", err)
}

// clear removes all containers, disks and namespaces of labs.
func (l *Lab) clear(ctx context.Context) error {
	all, err := l.all(ctx)
	errs := []error{err}
	for _, one := range all {
		var err error
		switch kind, name := split(one); kind {
		case "container":
			err = l.engine.remove(ctx, name)
		case "loop":
			err = command(ctx, "losetup", "-d", name)
		case "namespace":
			err = command(ctx, "ip", "netns", "del", name)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, os.RemoveAll(filepath.Join(l.engine.dir, "disks")))...)
}

// Close ends the lab and removes everything of it but the image.
func (l *Lab) Close(ctx context.Context) error {
	var errs []error
	l.mu.Lock()
	hosts := l.hosts
	l.mu.Unlock()
	for id := range hosts {
		errs = append(errs, l.terminate(ctx, id))
	}
	for _, s := range l.servers {
		errs = append(errs, s.Close())
	}
	if l.proxy != nil {
		l.proxy.Close()
	}
	if l.moto != nil {
		errs = append(errs, l.moto.Stop())
	}
	errs = append(errs, l.clear(ctx))
	return errors.Join(append(errs, l.lock.Close())...)
}
