//go:build linux

package awslab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Unavailable says why there can be no lab on this computer.
type Unavailable struct {
	Why   string
	Never bool // whatever is installed or made
}

func (e *Unavailable) Error() string {
	s := "no lab on this computer: " + e.Why
	if e.Never {
		s = "not possible here: " + s
	}
	return s
}

// tools are the commands that the lab uses, and the packages of Debian that have them.
var tools = map[string]string{
	"podman": "podman", "runc": "runc", "debootstrap": "debootstrap", "nft": "nftables", "ip": "iproute2", "losetup": "mount",
	"chroot": "coreutils", "tar": "tar", "netavark": "netavark",
}

// elsewhere are directories with commands that are not on every path.
var elsewhere = []string{"/usr/sbin", "/sbin", "/usr/lib/podman"}

func have(tool string) bool {
	if _, err := exec.LookPath(tool); err == nil {
		return true
	}
	return slices.ContainsFunc(elsewhere, func(dir string) bool {
		_, err := os.Stat(dir + "/" + tool)
		return err == nil
	})
}

func missing() (packages []string) {
	for tool, pkg := range tools {
		if !have(tool) {
			packages = append(packages, pkg)
		}
	}
	slices.Sort(packages)
	return packages
}

// need sees that the computer can hold a lab, and installs what it lacks. The error is
// *Unavailable when it can't.
func need(ctx context.Context) error {
	if os.Getuid() != 0 {
		return &Unavailable{Why: "it needs root: network namespaces, loop devices and containers with systemd", Never: true}
	}
	if packages := missing(); len(packages) > 0 {
		if _, err := exec.LookPath("apt-get"); err != nil {
			return &Unavailable{Why: fmt.Sprintf("%s missing, and no apt-get to install it with", strings.Join(packages, ", "))}
		}
		if err := install(ctx, packages); err != nil {
			return &Unavailable{Why: err.Error()}
		}
		if packages := missing(); len(packages) > 0 {
			return &Unavailable{Why: "still missing after apt-get install: " + strings.Join(packages, ", ")}
		}
	}
	if err := command(ctx, "losetup", "-f"); err != nil {
		return &Unavailable{Why: "no loop devices: " + err.Error(), Never: true}
	}
	return tryNetwork(ctx)
}

// tryNetwork sees that the kernel has what the router is made of.
func tryNetwork(ctx context.Context) error {
	const try = prefix + "try"
	if err := command(ctx, "ip", "netns", "add", try); err != nil {
		return &Unavailable{Why: "no network namespaces: " + err.Error(), Never: true}
	}
	const rules = `table ip try {
chain nat { type nat hook postrouting priority srcnat; ct original ip daddr 192.0.2.1 snat to 192.0.2.2; }
chain filter { type filter hook postrouting priority srcnat + 50; ct state established accept; }
}
`
	_, err := output(ctx, []byte(rules), "ip", "netns", "exec", try, "nft", "-f", "-")
	if err == nil {
		err = command(ctx, "ip", "-n", try, "link", "add", "try", "type", "veth", "peer", "name", "eth0")
	}
	if err != nil {
		err = &Unavailable{Why: err.Error(), Never: true}
	}
	return errors.Join(err, command(ctx, "ip", "netns", "del", try))
}

func install(ctx context.Context, packages []string) error {
	for _, args := range [][]string{
		{"-qq", "-o", "DPkg::Lock::Timeout=300", "update"},
		append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, lastLine(out))
		}
	}
	return nil
}

// command runs a command to its end; the error has what it printed.
func command(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, nil, name, args...)
	return err
}

// output is command for one whose input is given, or whose output is wanted.
func output(ctx context.Context, in []byte, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// lockWait is how long another lab is waited for.
const lockWait = 10 * time.Minute

// lock takes the lock of the one lab that may run, when another has given it back; the
// kernel does that for one whose process ends.
func lock(ctx context.Context, path string, say func(string, ...any)) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, fmt.Errorf("another lab has been running for %s", lockWait))
	defer cancel()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	for n := 0; ; n++ {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the lab: %w", err), f.Close())
		}
		if n == 0 {
			say("waiting for another lab to end")
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock the lab: %w", context.Cause(ctx)), f.Close())
		}
	}
}
