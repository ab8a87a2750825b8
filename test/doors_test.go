package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// A door is a place where a process of a cluster takes connections.
type door struct {
	proto string // tcp, udp or unix
	addr  string // address and port, or a path; @ begins a name without a file
	pid   int
	role  string // keeper, server
}

func (d door) String() string {
	return fmt.Sprintf("%s %s (%s, pid %d)", d.proto, d.addr, d.role, d.pid)
}

// kinds of doors, and what another user, or a web page of another origin, may find there.
// A door that is of no kind fails the test: somebody has to say what it is for.
const (
	// Refuses whoever has no password, any other origin, and GET.
	agentDoor = "the agent: asks for a password"
	// Asks for a password before anything else.
	jmxDoor = "JMX: asks for a password"
	// Can't be connected to.
	ownerDoor = "its owner's alone"
	// Open on purpose. HTTP gets nothing from them that a page of another origin may read.
	cqlDoor      = "CQL or Thrift, without authentication: on purpose"
	storageDoor  = "the nodes' own protocol, which needs TLS to be closed: on purpose"
	metadataDoor = "the node's place and addresses, as EC2 tells them: on purpose"
	echoDoor     = "times three bytes there and back, and says nothing else: on purpose"
	nameDoor     = "holds a name, and reads nothing: on purpose"
	// Within a container nobody else is at home, and nothing of it is published.
	containerDoor = "the container's own loopback: on purpose"
	// A cluster that is taken over keeps what its maker opened.
	theirDoor = "JMX of somebody else's cluster, as they have it: on purpose"
	// RMI of an object whose number is random and known to those alone who may attach.
	localJMXDoor = "the JVM's own connector: an object that only the owner knows"
)

// doorman says of which kind a door of a cluster is; "" is that nobody has thought of it.
func doorman(inv topology.Inventory, d door) string {
	if d.proto == "unix" {
		switch {
		case d.role == "keeper" && d.addr == fmt.Sprint("@crossring-slot-", slotOf(inv)):
			return nameDoor
		case d.role == "keeper" && filepath.Base(d.addr) == "keeper.sock":
			return ownerDoor
		case d.role == "server" && strings.TrimSuffix(filepath.Base(d.addr), ".tmp") == fmt.Sprint(".java_pid", d.pid):
			return ownerDoor
		}
		return ""
	}
	at, err := netip.ParseAddrPort(d.addr)
	if err != nil || d.proto != "tcp" {
		return ""
	}
	addr, port := at.Addr().Unmap().String(), int(at.Port())
	for _, n := range inv.Nodes {
		private, public := addr == n.PrivateAddress, addr == n.PublicAddress
		loopback := addr == "127.0.0.1"
		switch {
		case d.role == "keeper" && public && (port == n.Ports.Storage || port == n.Ports.SSLStorage):
			return storageDoor
		case d.role == "keeper" && private && port == n.Ports.Metadata:
			return metadataDoor
		case d.role == "keeper" && (private || public) && port >= 1024 && first(inv, n):
			return echoDoor // judged by what it answers
		case d.role == "keeper":
			continue
		case port == n.Ports.Jolokia && (private && inv.Remote == nil || loopback && inv.Remote != nil):
			return agentDoor
		case private && (port == n.Ports.Native || port == n.Ports.Thrift):
			return cqlDoor
		case private && (port == n.Ports.Storage || port == n.Ports.SSLStorage):
			return storageDoor
		case port == n.Ports.JMX && n.Ports.JMX != 0 && loopback && inv.CCM != nil && !inv.CCM.Adopted:
			return jmxDoor
		case port == n.Ports.JMX && n.Ports.JMX != 0 && loopback && inv.CCM != nil:
			return theirDoor
		case port == 7199 && n.Ports.JMX == 0 && (private && inv.Remote == nil || addr == n.RMIHost() && inv.Remote != nil):
			return jmxDoor // while nodetool works
		case port == n.Ports.JMX && n.Ports.JMX != 0 && loopback && inv.Containers != nil:
			return containerDoor
		}
	}
	if d.role == "server" && (inv.CCM != nil || inv.Containers != nil) && port >= 1024 && at.Addr().Unmap().IsUnspecified() {
		return localJMXDoor // judged by what it answers: RMI, and no other
	}
	return ""
}

// first says whether a node is the first of its region.
func first(inv topology.Inventory, n topology.Node) bool {
	i := slices.IndexFunc(inv.Nodes, func(m topology.Node) bool { return m.Region == n.Region })
	return inv.Nodes[i].Name == n.Name
}

func slotOf(inv topology.Inventory) int {
	if inv.Local == nil {
		return -1
	}
	return inv.Local.Slot
}

// doorsOf lists the doors of processes, by their roles: whatever listens, in the network
// that each is in.
func doorsOf(t *testing.T, pids map[int]string) []door {
	t.Helper()
	var all []door
	for pid, role := range pids {
		inodes := map[string]bool{}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
			if inode, ok := strings.CutPrefix(link, "socket:["); ok && err == nil {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
		for _, proto := range []string{"tcp", "tcp6", "udp", "udp6", "unix"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, proto))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(string(text), "\n")[1:] {
				if d, inode := parseSocket(proto, strings.Fields(line)); d.addr != "" && inodes[inode] {
					d.pid, d.role = pid, role
					all = append(all, d)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b door) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// parseSocket reads a line of /proc/net. The address is "" for what takes no connections.
func parseSocket(proto string, f []string) (d door, inode string) {
	if proto == "unix" {
		const accepts = "00010000"
		if len(f) < 7 || f[3] != accepts {
			return door{}, ""
		}
		d = door{proto: proto, addr: "a socket without a name"}
		if len(f) > 7 {
			d.addr = f[7]
		}
		return d, f[6]
	}
	const listens, unconnected = "0A", "07"
	if len(f) < 10 || f[3] != listens && (f[3] != unconnected || !strings.HasPrefix(proto, "udp")) {
		return door{}, ""
	}
	host, port, ok := strings.Cut(f[1], ":")
	num, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return door{}, ""
	}
	var raw []byte
	for i := 0; i+8 <= len(host); i += 8 { // words in the order of this computer
		word, err := strconv.ParseUint(host[i:i+8], 16, 32)
		if err != nil {
			return door{}, ""
		}
		raw = append(raw, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return door{proto: strings.TrimSuffix(proto, "6"), addr: netip.AddrPortFrom(addr.Unmap(), uint16(num)).String()}, f[9]
}

// tally is what a visit came to.
type tally struct {
	tried, files int
	purpose      map[string]int // doors that are open on purpose, by kind
	open         []string       // doors that nobody may find open
}

// checkDoors goes over all doors and files of a cluster as a user who owns nothing, and as a
// web page of another origin. Whatever is open and not on purpose fails the test, and so
// does a door that has no kind yet. pids are the cluster's processes, by role; dirs are
// looked through for files that others may read or change.
func checkDoors(t *testing.T, inv topology.Inventory, state string, pids map[int]string, dirs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("SKIP of doors: becoming another user needs root's rights")
		return
	}
	got := tally{purpose: map[string]int{}}
	bad := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		got.open = append(got.open, text)
		t.Error(text)
	}
	letIn(t, state) // the tests' own directories are closed, which would hide what ours are
	for _, dir := range dirs {
		letIn(t, dir)
	}
	secrets := secretsOf(t, state, inv)
	if len(secrets) == 0 {
		t.Error("the cluster has no password: what is to be kept from others?")
	}
	s := newStranger(t)
	all := doorsOf(t, pids)
	for _, pid := range sortedPIDs(pids) {
		if !slices.ContainsFunc(all, func(d door) bool { return d.pid == pid }) {
			t.Errorf("process %d (%s) has no door at all", pid, pids[pid])
		}
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				t.Fatal(err)
			}
			for what, secret := range secrets {
				if bytes.Contains(text, []byte(secret)) {
					bad("%s of process %d has %s", name, pid, what)
				}
			}
		}
	}
	answers := map[int]found{} // by a process in the same network
	for pid := range pids {
		job := errand{Password: secrets[agentSecret]}
		for _, d := range all {
			if d.proto != "tcp" || d.pid != pid {
				continue
			}
			job.TCP = append(job.TCP, d.addr)
			if doorman(inv, d) == agentDoor {
				job.Agents = append(job.Agents, d.addr)
			}
		}
		answers[pid] = s.do(t, pid, job)
	}
	for _, d := range all {
		kind := doorman(inv, d)
		if kind == "" {
			bad("%s: nobody has said what this door is for", d)
			continue
		}
		got.tried++
		if strings.HasSuffix(kind, "on purpose") {
			got.purpose[kind]++
		}
		for _, why := range s.judge(t, inv, d, kind, answers[d.pid]) {
			bad("%s: %s", d, why)
		}
	}
	for _, why := range s.look(t, append(dirs, filepath.Join(state, "clusters"))) {
		bad("%s", why)
	}
	n, why := closedToOthers(t, secrets, append(dirs, state))
	got.files = n
	for _, w := range why {
		bad("%s", w)
	}
	t.Logf("doors: %d tried, %d files, %d open; on purpose %v", got.tried, got.files, len(got.open), got.purpose)
}

func sortedPIDs(pids map[int]string) []int {
	var list []int
	for pid := range pids {
		list = append(list, pid)
	}
	slices.Sort(list)
	return list
}

// letIn opens the directories above one that a test made.
func letIn(t *testing.T, dir string) {
	t.Helper()
	tmp := os.TempDir()
	for d := dir; d != tmp && len(d) > len(tmp) && strings.HasPrefix(d, tmp); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

const agentSecret = "the agents' password"

// secretsOf are the words that nobody else may come to know, by what they are.
func secretsOf(t *testing.T, state string, inv topology.Inventory) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	for what, file := range map[string]string{agentSecret: "agent.password", "the password of the stores": "tls/password"} {
		data, err := os.ReadFile(filepath.Join(state, "clusters", inv.Plan.Name, file))
		if err == nil {
			secrets[what] = strings.TrimSpace(string(data))
		} else if !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return secrets
}

// closedToOthers holds by their modes that no file with a secret in it can be read, and
// nothing at all be changed, by others, whichever way they got to it.
func closedToOthers(t *testing.T, secrets map[string]string, dirs []string) (files int, why []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // servers come and go with theirs
			}
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil || info.Mode()&fs.ModeSymlink != 0 {
				return nil
			}
			if info.Mode().Perm()&0o002 != 0 && info.Mode()&(fs.ModeSticky|fs.ModeDevice) == 0 {
				why = append(why, fmt.Sprintf("%s may be changed by everybody: %s", path, info.Mode()))
			}
			const most = 1 << 20 // configuration, logs and keys are smaller
			if !info.Mode().IsRegular() || info.Size() > most {
				return nil
			}
			files++
			if info.Mode().Perm()&0o004 == 0 {
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			for what, secret := range secrets {
				if bytes.Contains(data, []byte(secret)) {
					why = append(why, fmt.Sprintf("%s has %s, and may be read by everybody: %s", path, what, info.Mode()))
				}
			}
			if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
				why = append(why, fmt.Sprintf("%s has a private key, and may be read by everybody: %s", path, info.Mode()))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files, why
}

// stranger is this test's program as a user who owns nothing.
type stranger struct{ exe string }

func newStranger(t *testing.T) stranger {
	t.Helper()
	dir, err := os.MkdirTemp("", "crossring-stranger")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "stranger")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(exe, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return stranger{exe}
}

const nobody = 65534

// do has the stranger do something, in the network of process pid; 0 is ours.
func (s stranger) do(t *testing.T, pid int, errand errand) found {
	t.Helper()
	in, err := json.Marshal(errand)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), s.exe)
	if pid != 0 {
		cmd = exec.CommandContext(t.Context(), "nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", pid), "--setuid", fmt.Sprint(nobody), "--setgid", fmt.Sprint(nobody), "--", s.exe)
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Dir, cmd.Stdin = "/", bytes.NewReader(in)
	cmd.Env = []string{strangerEnv + "=1", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the stranger: %v: %s", err, out)
	}
	var got found
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("the stranger said %s: %v", out, err)
	}
	return got
}

// judge says what is wrong with what came of knocking at a door in every way there is.
func (s stranger) judge(t *testing.T, inv topology.Inventory, d door, kind string, knocked found) (why []string) {
	t.Helper()
	bad := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if d.proto == "unix" {
		path := d.addr
		if strings.Contains(path, "/proc/self/fd/") { // as the keeper calls it
			path = filepath.Join(inv.Local.Dir, filepath.Base(path))
		}
		path = strings.TrimSuffix(path, ".tmp") // the JVM renames what it has bound
		got := s.do(t, 0, errand{Unix: path})
		switch {
		case got.Connected && kind != nameDoor:
			bad("another user may connect: %q", got.Answers)
		case kind == nameDoor && len(got.Answers) > 0:
			bad("it answers: %q", got.Answers)
		}
		return why
	}
	got := knocked.TCP[d.addr]
	if len(got) == 0 {
		bad("it was not there to be knocked at")
	}
	for name, answer := range got {
		lower := strings.ToLower(answer)
		if strings.Contains(lower, "evil.example") && strings.Contains(lower, "access-control-allow-origin: ") {
			bad("%s: a page of another origin may read the answer: %q", name, answer)
		}
		isHTTP, isRMI := strings.HasPrefix(answer, "HTTP/"), strings.HasPrefix(answer, "N") && name == "rmi"
		switch kind {
		case agentDoor:
			if strings.HasPrefix(name, knowing) {
				if strings.Contains(answer, `"status":200`) != (name == knowing+"what crossring asks") {
					bad("%s: %q", name, answer)
				}
				break
			}
			refused := strings.HasPrefix(answer, "HTTP/1.1 401") || strings.HasPrefix(answer, "HTTP/1.1 404") || strings.Contains(answer, `"status":403`) ||
				strings.HasPrefix(answer, "HTTP/1.1 403") || strings.HasPrefix(answer, "HTTP/1.1 400")
			if !isHTTP && name != "rmi" {
				bad("%s is not answered: %q", name, answer)
			}
			if isHTTP && (!refused || strings.Contains(answer, `"status":200`)) {
				bad("%s is answered: %q", name, answer)
			}
			if isRMI {
				bad("it speaks RMI")
			}
		case jmxDoor, localJMXDoor, containerDoor, theirDoor:
			if isHTTP {
				bad("%s is answered: %q", name, answer)
			}
		case echoDoor:
			if words := knocks(d.addr)[name]; len(answer) > 3 || !strings.HasPrefix(words, answer) {
				bad("%s is answered: %q", name, answer)
			}
		case metadataDoor:
			if isHTTP && strings.Contains(lower, "access-control-allow") {
				bad("%s: pages may read the answer: %q", name, answer)
			}
		default:
			if isHTTP && strings.HasPrefix(answer, "HTTP/1.1 2") || isRMI {
				bad("%s is answered: %q", name, answer)
			}
		}
	}
	if kind == jmxDoor {
		for _, why := range s.askJMX(t, d) {
			bad("%s", why)
		}
	}
	return why
}

// askJMX connects to JMX without a password and with a wrong one.
func (s stranger) askJMX(t *testing.T, d door) (why []string) {
	t.Helper()
	const source = `import javax.management.remote.*;
import java.util.Map;
public class Ask {
    public static void main(String[] a) throws Exception {
        for (Object login : new Object[] {null, new String[] {"crossring", "wrong"}, new String[] {"", ""}}) {
            try (JMXConnector c = JMXConnectorFactory.connect(new JMXServiceURL("service:jmx:rmi:///jndi/rmi://" + a[0] + "/jmxrmi"),
                    login == null ? Map.of() : Map.of(JMXConnector.CREDENTIALS, login))) {
                System.out.println("let in: " + c.getMBeanServerConnection().getMBeanCount());
            } catch (SecurityException e) {
                System.out.println("refused");
            }
        }
    }
}
`
	file := filepath.Join(filepath.Dir(s.exe), "Ask.java")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "java", "-XX:-UsePerfData", "-Xmx64m", file, d.addr)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "refused\nrefused\nrefused\n" {
		why = append(why, fmt.Sprintf("JMX says %s (%v)", out, err))
	}
	return why
}

// look has the stranger go through directories: what is readable there may have no secret,
// and nothing may be changed. That is held by what the kernel says, not by modes alone.
func (s stranger) look(t *testing.T, dirs []string) (why []string) {
	t.Helper()
	got := s.do(t, 0, errand{Dirs: dirs})
	for _, path := range got.Writable {
		why = append(why, path+" can be changed by another user")
	}
	for _, path := range got.Secret {
		why = append(why, path+" can be read by another user")
	}
	return why
}

// strangerWait is how long the stranger waits for an answer that may never come.
const strangerWait = 3 * time.Second

// strangerEnv makes the test's program the stranger.
const strangerEnv = "CROSSRING_TEST_STRANGER"

// errand is what the stranger is sent for, and found what they came back with.
type (
	errand struct {
		TCP []string
		// Password is the agents': what crossring itself does not ask is refused with it, too.
		Password string
		Agents   []string
		Unix     string
		Dirs     []string
	}
	found struct {
		TCP       map[string]map[string]string // what was answered, by address and by what was said
		Connected bool                         // to the unix socket
		Answers   map[string]string            // of the unix socket
		Writable  []string
		Secret    []string
	}
)

// strangerMain is the program as the stranger.
func strangerMain() int {
	var job errand
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getuid() != nobody || os.Geteuid() != nobody {
		fmt.Fprintln(os.Stderr, "the stranger is user", os.Getuid())
		return 1
	}
	got := found{TCP: map[string]map[string]string{}, Answers: map[string]string{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, addr := range job.TCP {
		got.TCP[addr] = map[string]string{}
		words := knocks(addr)
		if slices.Contains(job.Agents, addr) {
			maps.Copy(words, askedWith(addr, job.Password))
		}
		for name, words := range words {
			all.Go(func() {
				if answer, ok := say("tcp", addr, words); ok {
					mu.Lock()
					got.TCP[addr][name] = answer
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if job.Unix != "" {
		for _, name := range []string{"status", "start"} {
			words := "GET /status HTTP/1.0\r\n\r\n"
			if name == "start" {
				words = "POST /start HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"
			}
			if answer, ok := say("unix", job.Unix, words); ok {
				got.Connected = true
				if answer != "" {
					got.Answers[name] = answer
				}
			}
		}
	}
	for _, dir := range job.Dirs {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Type()&fs.ModeSymlink != 0 {
				return nil // closed, or leads elsewhere
			}
			const write = 2
			if syscall.Access(path, write) == nil {
				got.Writable = append(got.Writable, path)
			}
			name := filepath.Base(path)
			secret := name == "cassandra.yaml" || name == "jolokia.properties" || strings.Contains(name, "password") || strings.HasSuffix(name, ".key")
			if f, err := os.Open(path); err == nil {
				if secret && e.Type().IsRegular() {
					got.Secret = append(got.Secret, path)
				}
				f.Close()
			}
			return nil
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(got); err != nil {
		return 1
	}
	return 0
}

// say connects, says words and listens for a moment; not ok is that there was no connection.
func say(network, addr, words string) (answer string, ok bool) {
	c, err := net.DialTimeout(network, addr, strangerWait)
	if err != nil {
		return "", false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(strangerWait))
	if _, err := c.Write([]byte(words)); err != nil {
		return "", true
	}
	var all []byte
	b := make([]byte, 2048)
	for len(all) < len(b) {
		n, err := c.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			break
		}
		if bytes.Contains(all, []byte("\r\n0\r\n")) || !bytes.HasPrefix(all, []byte("HTTP/")) {
			break
		}
	}
	return string(all), true
}

// knowing begins the names of what is asked with the password.
const knowing = "with the password: "

// askedWith is what is asked of an agent with its password: one request that crossring
// makes, and others that nobody has any business with.
func askedWith(addr, password string) map[string]string {
	auth := base64.StdEncoding.EncodeToString([]byte(release.AgentUser + ":" + password))
	post := func(body, origin string) string {
		return fmt.Sprintf("POST /jolokia/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAuthorization: Basic %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			addr, auth, origin, len(body), body)
	}
	ours := "Origin: " + release.AgentOrigin + "\r\n"
	read := `{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"ClusterName"}`
	return map[string]string{
		knowing + "what crossring asks":  post(read, ours),
		knowing + "no origin":            post(read, ""),
		knowing + "other origin":         post(read, "Origin: http://evil.example\r\n"),
		knowing + "by GET":               strings.Replace(post("", ours), "POST /jolokia/", "GET /jolokia/read/org.apache.cassandra.db:type=StorageService/ClusterName", 1),
		knowing + "a command of the JVM": post(`{"type":"exec","mbean":"com.sun.management:type=DiagnosticCommand","operation":"vmVersion"}`, ours),
		knowing + "a snapshot":           post(`{"type":"exec","mbean":"org.apache.cassandra.db:type=StorageService","operation":"takeSnapshot(java.lang.String,[Ljava.lang.String;)","arguments":["evil",["system"]]}`, ours),
		knowing + "another attribute":    post(`{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"AllDataFileLocations"}`, ours),
		knowing + "a change":             post(`{"type":"write","mbean":"java.util.logging:type=Logging","attribute":"Foo","value":"1"}`, ours),
		knowing + "a list":               post(`{"type":"list"}`, ours),
		knowing + "properties":           post(`{"type":"read","mbean":"java.lang:type=Runtime","attribute":"SystemProperties"}`, ours),
	}
}

// knocks are what is said at a port: as another program of this computer, as a page of
// another origin, and as a page of a name that was made to lead here.
func knocks(addr string) map[string]string {
	call := `{"type":"exec","mbean":"com.sun.management:type=DiagnosticCommand","operation":"vmVersion"}`
	read := `[{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"ClusterName"}]`
	post := func(body string, headers ...string) string {
		all := append([]string{"POST /jolokia/ HTTP/1.1", "Connection: close", "Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body))}, headers...)
		return strings.Join(all, "\r\n") + "\r\n\r\n" + body
	}
	get := func(path string, headers ...string) string {
		return strings.Join(append([]string{"GET " + path + " HTTP/1.1", "Connection: close"}, headers...), "\r\n") + "\r\n\r\n"
	}
	host, evil, evilHost := "Host: "+addr, "Origin: http://evil.example", "Host: evil.example"
	origin, wrong := "Origin: "+release.AgentOrigin, "Authorization: Basic Y3Jvc3Npbmc6d3Jvbmc=" // crossring:wrong
	return map[string]string{
		"read, no origin":             post(read, host),
		"read, crossring's origin":    post(read, host, origin),
		"read, wrong password":        post(read, host, origin, wrong),
		"read, other origin":          post(read, host, evil),
		"call, other origin and host": post(call, evilHost, evil),
		"call, text as pages may":     strings.Replace(post(call, host, evil), "application/json", "text/plain", 1),
		"get, other origin":           get("/jolokia/read/java.lang:type=Runtime", host, evil),
		"get, other origin and host":  get("/jolokia/exec/com.sun.management:type=DiagnosticCommand/vmVersion", evilHost, evil),
		"get, crossring's origin":     get("/jolokia/version", host, origin),
		"get of all":                  get("/", evilHost, evil),
		"preflight":                   strings.Replace(get("/jolokia/", host, evil, "Access-Control-Request-Method: POST"), "GET", "OPTIONS", 1),
		"rmi":                         "JRMI\x00\x02\x4b",
	}
}

// processesOf are a local cluster's processes by their roles.
func (h home) processesOf(t *testing.T) map[int]string {
	t.Helper()
	pids := map[int]string{}
	for _, p := range h.processes(t) {
		pids[p.pid] = "server"
		if p.isKeeper() {
			pids[p.pid] = "keeper"
		}
	}
	return pids
}

// Nobody else, and no web page, gets in anywhere: on a cluster that tests share.
func TestDoors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ string, c cluster) { c.checkDoors(t) })
}

// checkDoors goes over the doors of a cluster that is up, wherever it stands.
func (c cluster) checkDoors(t *testing.T) {
	t.Helper()
	inv, ok := c.inventory(t, c.name)
	if !ok {
		t.Fatalf("cluster %s has no inventory", c.name)
	}
	pids := map[int]string{}
	if inv.Local != nil {
		pids = c.processesOf(t) // with the keeper
	}
	var dirs []string
	for name, p := range c.states(t) {
		n, err := inv.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		seen := seenHere(t, p.PID)
		if len(seen) == 0 {
			t.Errorf("the server of %s, pid %d, is not seen", name, p.PID)
		}
		for _, pid := range seen {
			pids[pid] = "server"
			root := fmt.Sprintf("/proc/%d/root", pid)
			l := n.Layout
			for _, dir := range []string{l.Root, l.Conf, l.Log, l.Tmp, l.Home, l.Data, l.Commitlog, l.SavedCaches} {
				if !sameDir(root, "/") {
					dir = root + dir
				}
				if _, err := os.Stat(dir); inv.CCM != nil && inv.CCM.Adopted && os.IsNotExist(err) {
					continue // ccm makes fewer of them
				}
				dirs = append(dirs, dir)
			}
		}
	}
	checkDoors(t, inv, c.state, pids, dirs...)
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// seenHere are the servers' processes that have a pid: that process, or, on a machine of
// the lab, those that have it there.
func seenHere(t *testing.T, pid int) []int {
	t.Helper()
	server := func(pid int) bool {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && bytes.Contains(line, []byte("CassandraDaemon"))
	}
	if server(pid) {
		return []int{pid}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, e := range entries {
		outer, err := strconv.Atoi(e.Name())
		if err != nil || !server(outer) {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "NSpid:" && f[len(f)-1] == strconv.Itoa(pid) {
				all = append(all, outer)
			}
		}
	}
	return all
}
