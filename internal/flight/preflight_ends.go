package flight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/preflight"
	"crossring/internal/preflight/probe"
	"crossring/internal/topology"
)

// Probe is what the hidden command does on a machine.
func Probe(ctx context.Context, in io.Reader, out io.Writer) error { return probe.Serve(ctx, in, out) }

// open starts a probe at every end, all at once. A machine that can't be used is
// noted and does not hide the others.
func (f *flight) open(ctx context.Context) error {
	here, err := probe.Local(ctx)
	if err != nil {
		return err
	}
	me := &end{host: PreflightHost{Name: preflight.Here, Listens: map[string]preflight.Listener{}}, probe: here}
	me.close = func() {
		_ = here.Close() // it is in this process, and ends
		here.Wait()
	}
	f.order, f.ends[preflight.Here] = append(f.order, preflight.Here), me
	for _, n := range f.cluster.Inv.Nodes {
		e := &end{host: PreflightHost{Name: n.Name, Address: n.PublicAddress, Private: n.PrivateAddress, Listens: map[string]preflight.Listener{}}}
		e.ports = append(preflight.InternodePorts(f.cluster.Inv, n), n.Ports.Native)
		e.ports = append(e.ports, f.req.Ports...)
		f.order, f.ends[n.Name] = append(f.order, n.Name), e
	}
	var all sync.WaitGroup
	for _, n := range f.cluster.Inv.Nodes {
		e := f.ends[n.Name]
		all.Go(func() {
			err := f.openNode(ctx, n, e)
			if err != nil {
				e.host.Problem = err.Error()
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("starting probes: %w", context.Cause(ctx))
	}
	if f.cluster.Remote() {
		f.watch(ctx, me)
	}
	return nil
}

func (f *flight) openNode(ctx context.Context, n topology.Node, e *end) error {
	if !f.cluster.Remote() {
		// A node on loopback is an address of this computer.
		e.probe, e.source = f.ends[preflight.Here].probe, n.PrivateAddress
		zero := 0.0
		e.host.Clock, e.host.Margin = &zero, &zero
		e.host.Firewall, e.host.Unwatched = "none: it is on loopback", "it is on loopback"
		return f.listen(ctx, n, e)
	}
	m, err := f.cluster.Machine(n)
	if err != nil {
		return err
	}
	if h := n.Host; f.cluster.Place.Cloud == nil && h.Jump == "" && h.Proxy == "" {
		// Unlike one that boots it is not waited for.
		t, err := f.ends[preflight.Here].probe.Dial(ctx, "", h.Address, h.Port, "", false)
		if err == nil && t.State != preflight.Open {
			err = fmt.Errorf("ssh to %s port %d: %s: %s", h.Address, h.Port, t.State, t.Error)
		}
		if err != nil {
			return err
		}
	}
	const patience = time.Minute
	login, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no login within %s", patience))
	err = m.Connect(login)
	cancel()
	if err != nil {
		return err
	}
	off, margin, err := cluster.ClockOffset(ctx, m, f.Now)
	if err != nil {
		return err
	}
	clock, give := float64(off.Microseconds())/1000, float64(margin.Microseconds())/1000
	e.host.Clock, e.host.Margin = &clock, &give
	if err := f.startProbe(ctx, m, n, e); err != nil {
		return err
	}
	f.watch(ctx, e)
	return f.listen(ctx, n, e)
}

// listen has an end listen at its private address.
func (f *flight) listen(ctx context.Context, n topology.Node, e *end) error {
	who, problems, err := e.probe.Listen(ctx, n.PrivateAddress, e.ports, f.token)
	if err != nil {
		return err
	}
	e.listen = who
	for port, l := range who {
		e.host.Listens[strconv.Itoa(port)] = l
	}
	if f.cluster.Remote() && n.PublicAddress != n.PrivateAddress {
		if err := f.listenPublic(ctx, n, e); err != nil {
			return err
		}
	}
	var bad []string
	for _, port := range e.ports {
		if why := problems[port]; why != "" {
			bad = append(bad, why)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("no probe can listen: %s", strings.Join(slices.Compact(bad), "; "))
	}
	return nil
}

// listenPublic has an end listen at its public address, too, where that is the machine's
// own and the server would: without a 1:1 NAT nobody else does.
func (f *flight) listenPublic(ctx context.Context, n topology.Node, e *end) (err error) {
	if e.own, err = e.probe.Own(ctx, n.PublicAddress); err != nil || !e.own {
		return err
	}
	ports := slices.Clone(f.req.Ports)
	if f.cluster.Rel.BothAddresses {
		ports = append(ports, f.cluster.Inv.Plan.InternodePort(n))
	}
	e.listenPublic, _, err = e.probe.Listen(ctx, n.PublicAddress, ports, f.token)
	return err
}

// watch has an end watch its devices and read its firewall, as far as it may.
func (f *flight) watch(ctx context.Context, e *end) {
	var ports []int
	for _, n := range f.needs {
		if !slices.Contains(ports, n.Port) {
			ports = append(ports, n.Port)
		}
	}
	if err := e.probe.Watch(ctx, ports); err != nil {
		e.host.Unwatched = err.Error()
	}
	e.host.Watched = e.host.Unwatched == ""
	var err error
	e.firewall, err = e.probe.Firewall(ctx)
	e.host.Firewall = "read"
	if why := cmp.Or(plain.ErrorText(err), e.firewall.Problem); why != "" {
		e.host.Firewall = why
	}
}

// startProbe copies this program to a machine and runs it there as a probe, as root
// if the login may be: only root may watch packets and read the firewall. On a
// machine that was made ready for this cluster it goes where loaders go; elsewhere
// to a directory of its own, which is removed again.
func (f *flight) startProbe(ctx context.Context, m *sshhost.Client, n topology.Node, e *end) error {
	const about = `echo "$(uname -m) ${SSH_CONNECTION:-}"`
	said, err := m.Run(ctx, sshhost.Command{Name: "ask what it is", Line: about})
	if err != nil {
		return err
	}
	words := strings.Fields(said.Out)
	if len(words) == 0 {
		return fmt.Errorf("%s does not say what it is", m)
	}
	if len(words) > 1 {
		e.client = words[1]
	}
	local, err := f.programFor(words[0], n.Name)
	if err != nil {
		return err
	}
	dir, own := prepare.StateDir(n), false
	if id, err := prepare.Claimed(ctx, m, n); err != nil {
		return err
	} else if id != f.cluster.Inv.Remote.ID {
		if dir, err = probeDir(ctx, m, "crossring-probe-"+f.cluster.Inv.Remote.ID+"-"+n.Name); err != nil {
			return err
		}
		own = true
	}
	exe := path.Join(dir, "crossring")
	remove := func() {
		if !own {
			return
		}
		// Also when this was interrupted.
		const patience = 20 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if _, err := m.Run(ctx, sshhost.Command{Name: "remove the probe", Line: "rm -rf " + sshhost.Quote(dir), Root: f.mayBeRoot(ctx, m)}); err != nil {
			f.Say("%s: %s stays behind: %s", n.Name, dir, err)
		}
	}
	e.close = remove
	if err := m.Upload(ctx, local, exe, 0o755, nil); err != nil {
		var lost *sshhost.LostError
		if errors.As(err, &lost) {
			err = fmt.Errorf("%w; short commands passed before: the way there may lose big packets, look at its MTU", err)
		}
		return err
	}
	in, asks := io.Pipe()
	answers, out := io.Pipe()
	root := f.mayBeRoot(ctx, m)
	ended := make(chan struct{})
	var complaints strings.Builder
	go func() {
		defer close(ended)
		line := "exec " + sshhost.Quote(exe) + " " + probe.Command
		if own {
			// Also when nobody is left here to remove it.
			line = sshhost.Quote(exe) + " " + probe.Command + "; s=$?; rm -rf " + sshhost.Quote(dir) + "; exit $s"
		}
		_, err := m.Run(ctx, sshhost.Command{Name: "the probe", Line: line, Root: root, In: in, Out: out, Err: &complaints})
		if complaints.Len() > 0 && err != nil {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(complaints.String()))
		}
		out.CloseWithError(cmp.Or(err, io.EOF))
		in.Close()
	}()
	e.close = func() {
		asks.Close()
		<-ended
		remove()
	}
	const patience = time.Minute
	start, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no word within %s", patience))
	defer cancel()
	p, err := probe.Open(start, asks, answers)
	if err != nil {
		return err
	}
	e.probe = p
	return nil
}

// probeScript makes a directory that nobody else knew of before, and nobody else may
// enter; and removes those that a probe left that was killed with its machine, a day later.
const probeScript = `find /tmp -mindepth 1 -maxdepth 1 -type d -name 'crossring-probe-*' -user "$(id -u)" -mtime +0 -exec rm -rf '{}' + 2>/dev/null || true
umask 077
mktemp -d "/tmp/$1.XXXXXXXXXX"`

// probeDir makes a directory for a probe on a machine, another one each time, whose name
// begins with prefix.
func probeDir(ctx context.Context, m *sshhost.Client, prefix string) (string, error) {
	out, err := m.Script(ctx, "make a directory for the probe", probeScript, prefix)
	dir := strings.TrimSpace(out)
	if err == nil && !strings.HasPrefix(dir, "/tmp/"+prefix+".") {
		err = fmt.Errorf("make a directory for the probe on %s: unexpected answer %q", m, out)
	}
	return dir, err
}

// mayBeRoot says whether commands can have root's rights.
func (f *flight) mayBeRoot(ctx context.Context, m *sshhost.Client) bool {
	_, err := m.Run(ctx, sshhost.Command{Name: "become root", Line: "true", Root: true})
	return err == nil
}

// programFor is this program for a machine of an architecture, as uname says it.
func (f *flight) programFor(machine, node string) (string, error) {
	arch := cmp.Or(map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[machine], machine)
	if f.LoaderExe != "" {
		return f.LoaderExe, nil
	}
	if runtime.GOOS != "linux" || arch != runtime.GOARCH {
		return "", fail.Prerequisite("", fmt.Errorf("this program is for %s/%s, and the machine of %s is linux/%s", runtime.GOOS, runtime.GOARCH, node, arch),
			fmt.Sprintf("CGO_ENABLED=0 GOOS=linux GOARCH=%s go build -o crossring-%s . && crossring preflight %s --loader-binary crossring-%s",
				arch, arch, f.cluster.Inv.Plan.Name, arch))
	}
	if f.Exe == "" {
		return "", errors.New("this program does not know its own file")
	}
	_, err := os.Stat(f.Exe)
	return f.Exe, err
}
