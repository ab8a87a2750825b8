//go:build linux

package awslab

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"crossring/test/debian"

	"golang.org/x/sys/unix"
)

//go:embed files/lab-boot
var bootScript string

//go:embed files/lab-boot.service
var bootUnit string

// login is the user of the image, as on Debian's own for EC2.
const login = "admin"

// packages are what the image has besides the bare Debian. The JRE is in it because
// hosts without a way out of the lab can't fetch one.
var packages = []string{"systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "procps", "e2fsprogs", "curl",
	"ca-certificates", "nftables", "openjdk-17-jre-headless"}

// setup turns the bare tree into the image: no host keys and no machine id of its own,
// a login that may become root, and the boot script.
const setup = `set -eu
useradd --create-home --shell /bin/bash ` + login + `
echo '` + login + ` ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-` + login + `
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
systemctl -q enable lab-boot.service
systemctl -q mask console-getty.service systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer fstrim.timer
: >/etc/fstab
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
`

// engine is podman with images and containers of the lab's own, below dir.
type engine struct{ dir, run string }

// newEngine writes the engine's settings. Containers can't have higher limits than this
// process.
func newEngine(dir string) (engine, error) {
	e := engine{dir: dir, run: "/run/" + prefix + "containers"}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return e, fmt.Errorf("make the lab's directory: %w", err)
	}
	var files, procs unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_NOFILE, &files), unix.Getrlimit(unix.RLIMIT_NPROC, &procs)); err != nil {
		return e, fmt.Errorf("read limits: %w", err)
	}
	text := fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%[1]d:%[1]d\", \"nproc=%[2]d:%[2]d\"]\n[engine]\nruntime = \"runc\"\n",
		min(files.Max, 1<<20), min(procs.Max, 30000)) // podman lowers its own processes to 32768
	if err := os.WriteFile(e.conf(), []byte(text), 0o644); err != nil {
		return e, fmt.Errorf("configure podman: %w", err)
	}
	return e, nil
}

func (e engine) conf() string { return filepath.Join(e.dir, "containers.conf") }

func (e engine) cmd(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "podman", append([]string{"--root", filepath.Join(e.dir, "storage"), "--runroot", e.run + "/run", "--tmpdir", e.run + "/tmp"}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+e.conf())
	return cmd
}

// podman runs a command of podman and gives what it prints.
func (e engine) podman(ctx context.Context, args ...string) (string, error) {
	cmd := e.cmd(ctx, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// imageName has a sum of all that goes into the image, so that another recipe is
// another image.
func imageName() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{debian.Name, setup, bootScript, bootUnit}, packages...), "\x00")))
	return "localhost/" + prefix + "debian:" + hex.EncodeToString(sum[:6])
}

func (e engine) hasImage(ctx context.Context) bool {
	_, err := e.podman(ctx, "image", "exists", imageName())
	return err == nil
}

// image sees that there is the hosts' image. Making it takes minutes, once.
func (e engine) image(ctx context.Context, say func(string, ...any)) error {
	if e.hasImage(ctx) {
		return nil
	}
	say("making the image of the hosts, once")
	tree, err := os.MkdirTemp(e.dir, "tree")
	if err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	defer os.RemoveAll(tree)
	// mkdtemp's mode would be that of the hosts' /.
	if err := os.Chmod(tree, 0o755); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	if err := debian.Bootstrap(ctx, tree, packages); err != nil {
		return &Unavailable{Why: err.Error()}
	}
	for path, text := range map[string]string{"usr/local/sbin/lab-boot": bootScript, "etc/systemd/system/lab-boot.service": bootUnit} {
		mode := os.FileMode(0o644)
		if strings.Contains(path, "sbin") {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(tree, path), []byte(text), mode); err != nil {
			return fmt.Errorf("make the image: %w", err)
		}
	}
	if err := command(ctx, "chroot", tree, "/bin/sh", "-c", setup); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	tar := exec.CommandContext(ctx, "tar", "-c", "-C", tree, ".")
	load := e.cmd(ctx, "import", "--quiet", "--change", `CMD ["/sbin/init"]`, "-", imageName())
	if load.Stdin, err = tar.StdoutPipe(); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	var errs strings.Builder
	load.Stderr = &errs
	if err := tar.Start(); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	if err := errors.Join(load.Run(), tar.Wait()); err != nil {
		return fmt.Errorf("make the image: %w: %s", err, errs.String())
	}
	return nil
}

// try sees that a container of the kind starts here.
func (e engine) try(ctx context.Context) error {
	if _, err := e.podman(ctx, "run", "--rm", "--network", "none", "--cap-add", "SYS_ADMIN", imageName(), "true"); err != nil {
		return &Unavailable{Why: err.Error(), Never: true}
	}
	return nil
}

// containers lists the names of the lab's containers.
func (e engine) containers(ctx context.Context) ([]string, error) {
	out, err := e.podman(ctx, "ps", "--all", "--filter", "name=^"+prefix, "--format", "{{.Names}}")
	return strings.Fields(out), err
}

// box says what a container is made of.
type box struct {
	name, hostname, namespace string
	private                   string
	devices                   []string
	memoryMB                  int
}

// start starts a container whose first process is systemd. It sees no device of this
// computer but its own disks.
func (e engine) start(ctx context.Context, b box) error {
	args := []string{"run", "--detach", "--tty", "--name", b.name, "--hostname", b.hostname, "--systemd=always",
		"--network", "ns:/run/netns/" + b.namespace, "--add-host", b.hostname + ":" + b.private, "--cap-add", "SYS_ADMIN",
		"--cap-add", "NET_ADMIN", // its own firewall can be read, as any host's
		// lsblk looks there; podman hides it.
		"--security-opt", "unmask=/sys/dev/block"}
	if b.memoryMB > 0 {
		args = append(args, "--memory", strconv.Itoa(b.memoryMB)+"m")
	}
	for _, d := range b.devices {
		args = append(args, "--device", d+":"+d)
	}
	_, err := e.podman(ctx, append(args, imageName())...)
	return err
}

// remove ends a container at once, as EC2's terminate does after a while.
func (e engine) remove(ctx context.Context, name string) error {
	_, err := e.podman(ctx, "rm", "--force", "--time", "0", "--ignore", name)
	return err
}
