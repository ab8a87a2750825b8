package prepare

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
)

// jail is a Machine whose scripts are run by root in a directory that is their /: with
// users, directories and processes of its own making and the programs of this computer.
// With traces it writes down every name that they use.
type jail struct {
	t      *testing.T
	root   string
	trace  bool
	ops    []string        // names of what was run, in order
	ran    []string        // scripts
	theirs map[string]bool // directories that were the user's after any of it
	tracer []*exec.Cmd
}

const jailed = "cassandra" // the user

func newJail(t *testing.T, trace bool) *jail {
	t.Helper()
	if testing.Short() {
		t.Skip("runs without -short: it takes half a minute")
	}
	if os.Getuid() != 0 {
		t.Skip("not possible here: what root does on a machine takes root to be tried")
	}
	for _, tool := range []string{"unshare", "chroot", "runuser", "useradd", "openssl", "keytool", "strace"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: sudo apt-get install util-linux passwd openssl openjdk-17-jre-headless strace", tool)
		}
	}
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("not possible here: no mount namespaces: %s", out)
	}
	j := &jail{t: t, root: t.TempDir(), trace: trace, theirs: map[string]bool{}}
	if err := os.Chmod(j.root, 0o755); err != nil {
		t.Fatal(err)
	}
	script := `cd "$1"
mkdir -p etc var/lib var/log var/tmp tmp opt fs/fs1 fs/fs2 proc dev usr run root home jail srv
chmod 1777 tmp var/tmp
for f in passwd group shadow gshadow login.defs pam.d security nsswitch.conf ld.so.cache alternatives ssl default os-release java-17-openjdk java-21-openjdk; do
  [ ! -e /etc/$f ] || cp -a /etc/$f etc/
done
for d in bin sbin lib lib64; do if [ -L /$d ]; then cp -a /$d $d; else mkdir $d; fi; done
if grep -q "^$2:" etc/passwd; then sed -i "/^$2:/d" etc/passwd etc/group etc/shadow etc/gshadow; fi`
	if _, err := (here{}).Script(t.Context(), "make a machine", script, j.root, jailed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.endTraces)
	return j
}

func (j *jail) at(p string) string { return filepath.Join(j.root, p) }

func (j *jail) Script(ctx context.Context, name, script string, args ...string) (string, error) {
	return j.run(ctx, name, script, nil, args...)
}

func (j *jail) ScriptIn(ctx context.Context, name, script string, in []byte, args ...string) (string, error) {
	return j.run(ctx, name, script, in, args...)
}

// Upload is into root's own directories: sshhost has a test that it goes nowhere else.
func (j *jail) Upload(_ context.Context, local, path string, mode fs.FileMode, _ func(int64, int64)) error {
	data, err := os.ReadFile(local)
	if err != nil {
		return err
	}
	return put(j.at(path), data, mode)
}

// run runs a script. It may leave a process behind, so files take what it prints.
func (j *jail) run(ctx context.Context, name, script string, in []byte, args ...string) (string, error) {
	n := strconv.Itoa(len(j.ops))
	j.ops, j.ran = append(j.ops, name), append(j.ran, script)
	in = append([]byte(nil), in...)
	if err := os.WriteFile(j.at("jail/in."+n), in, 0o600); err != nil {
		return "", err
	}
	const enter = `cd "$1"; n=$2 trace=$3; shift 3
for d in usr bin sbin lib lib64; do [ -L $d ] || [ ! -d /$d ] || mount --rbind /$d $d; done
mount -t proc proc proc
mount --rbind /dev dev
run='n=$1 script=$2; shift 2; PATH=/jail:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C sh -c "set -eu
$script" sh "$@" </jail/in.$n >/jail/out.$n 2>/jail/err.$n; echo $? >/jail/rc.new; mv /jail/rc.new /jail/rc.$n'
if [ "$trace" = true ]; then
  exec strace -ff -qq -y -s 4096 -e trace=%file,%process,fchdir,setuid,setreuid,setresuid -o jail/trace.$n chroot . sh -c "$run" sh "$n" "$@"
fi
exec chroot . sh -c "$run" sh "$n" "$@"`
	cmd := exec.Command("unshare", append([]string{"-m", "--propagation", "private", "sh", "-c", enter, "sh", j.root, n, strconv.FormatBool(j.trace), script}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	j.tracer = append(j.tracer, cmd)
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is in rc
	rc, err := j.await(ctx, j.at("jail/rc."+n), ended)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, said.String())
	}
	j.look()
	out, _ := os.ReadFile(j.at("jail/out." + n))
	if rc != "0" {
		errs, _ := os.ReadFile(j.at("jail/err." + n))
		return string(out), fmt.Errorf("%s: exit status %s: %s", name, rc, errs)
	}
	return string(out), nil
}

func (j *jail) await(ctx context.Context, file string, ended <-chan struct{}) (string, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if data, err := os.ReadFile(file); err == nil {
			return strings.TrimSpace(string(data)), nil
		}
		select {
		case <-tick.C:
		case <-ended:
			if data, err := os.ReadFile(file); err == nil {
				return strings.TrimSpace(string(data)), nil
			}
			return "", fmt.Errorf("it left no status")
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// look notes the directories in which the user may put names: its own, and those that are
// open to its group or to everybody, but for a sticky one, whose names are their owners'.
func (j *jail) look() {
	uid, gid := j.user()
	if uid < 0 {
		return
	}
	_ = filepath.WalkDir(j.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // it went meanwhile
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(p, j.root), "/")
		if rel == "/proc" || rel == "/dev" || rel == "/usr" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		st := info.Sys().(*syscall.Stat_t)
		open := info.Mode().Perm()&0o002 != 0 || int(st.Gid) == gid && info.Mode().Perm()&0o020 != 0
		if int(st.Uid) == uid || open && info.Mode()&os.ModeSticky == 0 {
			j.theirs[rel] = true
		}
		return nil
	})
}

func (j *jail) user() (uid, gid int) {
	data, err := os.ReadFile(j.at("etc/passwd"))
	if err != nil {
		j.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(line, ":"); f[0] == jailed {
			uid, _ = strconv.Atoi(f[2])
			gid, _ = strconv.Atoi(f[3])
			return uid, gid
		}
	}
	return -1, -1
}

// endTraces waits for what is still traced.
func (j *jail) endTraces() {
	for _, cmd := range j.tracer {
		if cmd.ProcessState == nil && syscall.Kill(-cmd.Process.Pid, 0) == nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}

// led lists what root did with names that the user could have made something else: all
// but removing them, and looking at them without following.
func (j *jail) led() []string {
	found := map[string]bool{}
	for n, name := range j.ops {
		files, _ := filepath.Glob(j.at(fmt.Sprintf("jail/trace.%d.*", n)))
		byPid := map[int][]string{}
		children := map[int]bool{}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				j.t.Fatal(err)
			}
			pid, _ := strconv.Atoi(path.Ext(f)[1:])
			byPid[pid] = strings.Split(string(data), "\n")
			for _, line := range byPid[pid] {
				if child, ok := forked(line); ok {
					children[child] = true
				}
			}
		}
		for pid := range byPid {
			if !children[pid] {
				j.follow(name, byPid, pid, 0, "/", found)
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// told lists the commands that had a text among their arguments.
func (j *jail) told(text string) (list []string) {
	files, _ := filepath.Glob(j.at("jail/trace.*"))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			j.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "execve(") && strings.Contains(line, text) {
				list = append(list, line)
			}
		}
	}
	return list
}

var (
	forkCall = regexp.MustCompile(`^(?:v?fork|clone3?)\(.*\)\s+= (\d+)`)
	uidCall  = regexp.MustCompile(`^set(?:res|re)?uid\(([^)]*)\)\s+= 0`)
	anyCall  = regexp.MustCompile(`^(\w+)\((.*)`)
	name     = regexp.MustCompile(`(?:(AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"`)
)

func forked(line string) (pid int, ok bool) {
	m := forkCall.FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	pid, err := strconv.Atoi(m[1])
	return pid, err == nil
}

func (j *jail) follow(op string, byPid map[int][]string, pid, euid int, cwd string, found map[string]bool) {
	inside := func(p string) string { return "/" + strings.TrimPrefix(strings.TrimPrefix(p, j.root), "/") }
	for _, line := range byPid[pid] {
		if child, ok := forked(line); ok {
			j.follow(op, byPid, child, euid, cwd, found)
			continue
		}
		if m := uidCall.FindStringSubmatch(line); m != nil {
			ids := strings.Split(m[1], ", ")
			if e := ids[min(1, len(ids)-1)]; e != "-1" {
				euid, _ = strconv.Atoi(e)
			}
			continue
		}
		m := anyCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		call, args := m[1], m[2]
		names := name.FindAllStringSubmatch(args, -1)
		switch call {
		case "readlink", "chdir", "chroot", "execve", "stat", "lstat", "access", "chmod", "chown", "lchown", "unlink", "rmdir", "mkdir", "open", "creat", "mknod", "utime", "truncate", "statfs":
			names = names[:min(1, len(names))]
		case "symlink":
			names = names[min(1, len(names)):] // the first is what it says, not a name that is used
		case "symlinkat":
			names = names[min(1, len(names)):]
		case "readlinkat":
			names = names[:min(1, len(names))]
		}
		for _, n := range names {
			base := cwd
			if n[1] != "" {
				base = inside(n[2])
			}
			if n[1] == "AT_FDCWD" {
				cwd = base
			}
			if euid == 0 && j.misled(call, args, base, n[3]) {
				found[fmt.Sprintf("%s: %s %s", op, call, path.Join("/", base, n[3]))] = true
			}
			if call == "chdir" && strings.Contains(args, "= 0") {
				cwd = path.Clean(n[3])
				if !path.IsAbs(cwd) {
					cwd = path.Join(base, n[3])
				}
			}
		}
	}
}

// misled says whether a call goes by a name in one of the user's directories.
func (j *jail) misled(call, args, base, name string) bool {
	if name == "" || name == "." {
		return false // the descriptor itself
	}
	dir := base
	if path.IsAbs(name) {
		dir = "/"
	}
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for i, part := range parts {
		if part == ".." {
			dir = path.Dir(dir)
			continue
		}
		if j.theirs[dir] && (i < len(parts)-1 || !harmless(call, args)) {
			return true
		}
		dir = path.Join(dir, part)
	}
	return false
}

func harmless(call, args string) bool {
	switch call {
	case "unlink", "unlinkat", "rmdir", "lstat", "readlink", "readlinkat":
		return true
	case "newfstatat", "statx", "fstatat64":
		return strings.Contains(args, "AT_SYMLINK_NOFOLLOW")
	case "openat", "open":
		return strings.Contains(args, "O_NOFOLLOW") && !strings.Contains(args, "O_CREAT") && !strings.Contains(args, "O_WRONLY") && !strings.Contains(args, "O_RDWR")
	}
	return false
}

// jailedNode is one without a root of its own: all is done by root, and by the user.
func jailedNode(t *testing.T, j *jail) Request {
	t.Helper()
	req := request(t)
	req.Node.Host.Root, req.Node.Host.JavaHome = "", "/srv/jre"
	req.Node.Layout = topology.HostLayout("", req.Disks)
	script := "#!/bin/sh\ncase $* in *-version*) echo 'openjdk version \"17.0.1\" 2021-10-19' >&2; exit;; esac\necho \"as $(id -un)\"\necho started >\"/var/log/cassandra/system.log\"\ntrap 'exit 143' TERM; while :; do sleep 0.1; done\n"
	if err := put(j.at("srv/jre/bin/java"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return req
}
