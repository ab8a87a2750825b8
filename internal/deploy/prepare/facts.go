package prepare

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/topology"
)

// Facts are what a machine says of itself.
type Facts struct {
	OS        string `json:"os"`   // ID and VERSION_ID of os-release
	Arch      string `json:"arch"` // as Go names it
	Hostname  string `json:"hostname"`
	CPUs      int    `json:"cpus"`
	MemoryMB  int64  `json:"memory_mb"`
	SwapMB    int64  `json:"swap_mb"`
	FreeMB    int64  `json:"free_mb"` // of the file system that / , or what stands for it, is on
	Systemd   bool   `json:"systemd"`
	OpenFiles int64  `json:"open_files"` // hard limit of the login; -1 is none
	// ClockOffset is how far its clock is ahead of this computer's, give or take
	// ClockError.
	ClockOffset time.Duration `json:"clock_offset_ns"`
	ClockError  time.Duration `json:"clock_error_ns"`
	// Synced says what keeps its clock: "yes", "no" or "unknown".
	Synced    string           `json:"clock_synced"`
	Listening []netip.AddrPort `json:"listening"` // TCP
	// Addresses are the machine's own, of IPv4.
	Addresses []netip.Addr `json:"addresses"`
	// Running says that the node's own server runs.
	Running bool `json:"running"`
}

const factsScript = `echo "clock $(date +%s.%N)"
. /etc/os-release 2>/dev/null || true
echo "os ${ID:-unknown} ${VERSION_ID:-}"
echo "arch $(uname -m)"
echo "hostname $(uname -n)"
echo "cpus $(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc)"
while read -r k v _; do case $k in MemTotal:) echo "memory $v";; SwapTotal:) echo "swap $v";; esac; done </proc/meminfo
d=${1:-/}
while [ ! -d "$d" ]; do d=$(dirname "$d"); done
echo "free $(df -Pk "$d" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)"
[ -d /run/systemd/system ] && echo systemd
echo "files $(ulimit -Hn)"
s=unknown
if command -v timedatectl >/dev/null 2>&1; then s=$(timedatectl show -p NTPSynchronized --value 2>/dev/null) || s=unknown; fi
echo "synced ${s:-unknown}"
if [ -r /proc/net/fib_trie ]; then
  while read -r x y z _; do
    case $x in '|--') a=$y ;; /32) [ "$y $z" != "host LOCAL" ] || echo "address $a" ;; esac
  done </proc/net/fib_trie | sort -u
fi
for f in /proc/net/tcp /proc/net/tcp6; do
  [ -r $f ] || continue
  while read -r _ l _ st _; do [ "$st" = 0A ] && echo "listen $l"; done <$f
done
exit 0`

// Ask asks a machine for its facts.
func Ask(ctx context.Context, m Machine, n topology.Node, now func() time.Time) (Facts, error) {
	before := now()
	out, err := m.Script(ctx, "ask for facts", factsScript, hostRoot(n))
	if err != nil {
		return Facts{}, err
	}
	f, clock, err := parseFacts(out)
	if err != nil {
		return f, fmt.Errorf("facts of %s: %w", n.Name, err)
	}
	// The script says its time first, some time between the two.
	after := now()
	f.ClockError = after.Sub(before) / 2
	f.ClockOffset = clock.Sub(before.Add(f.ClockError))
	p, err := (Server{Machine: m, Node: n, Systemd: f.Systemd && hostRoot(n) == ""}).State(ctx)
	f.Running = p.Running
	return f, err
}

func parseFacts(out string) (f Facts, clock time.Time, err error) {
	var problems []error
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			problems = append(problems, err)
		}
		return n
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "clock":
			sec, frac, _ := strings.Cut(value, ".")
			clock = time.Unix(number(sec), number((frac + "000000000")[:9]))
		case "os":
			f.OS = strings.TrimSpace(value)
		case "arch":
			f.Arch = goArch(value)
		case "hostname":
			f.Hostname = value
		case "cpus":
			f.CPUs = int(number(value))
		case "memory":
			f.MemoryMB = number(value) >> 10
		case "swap":
			f.SwapMB = number(value) >> 10
		case "free":
			f.FreeMB = number(value) >> 10
		case "systemd":
			f.Systemd = true
		case "files":
			if f.OpenFiles = -1; value != "unlimited" {
				f.OpenFiles = number(value)
			}
		case "synced":
			f.Synced = value
		case "address":
			addr, err := netip.ParseAddr(value)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			f.Addresses = append(f.Addresses, addr)
		case "listen":
			addr, err := parseListen(value)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			f.Listening = append(f.Listening, addr)
		}
	}
	if clock.IsZero() || f.Arch == "" {
		problems = append(problems, errors.New("no clock or no architecture in the answer"))
	}
	return f, clock, errors.Join(problems...)
}

func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

// parseListen reads an address of /proc/net/tcp: words of four bytes in the
// machine's order, which is little-endian wherever this runs, and a port.
func parseListen(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", s)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", s)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), nil
}

const (
	// needFreeMB is what a node writes before its first row, its software included.
	needFreeMB = 1024
	// A clock that is off by less is worth a word; by more, the newest write of a
	// row is no longer the one that was made last.
	clockNote  = 250 * time.Millisecond
	clockLimit = 5 * time.Second
)

// Check holds facts against what a node needs, all at once. note is told what is
// no reason to stop.
func (f Facts) Check(n topology.Node, note func(string)) error {
	var all []error
	add := func(err error) { all = append(all, err) }
	off, sure := f.ClockOffset.Abs(), f.ClockOffset.Abs()-f.ClockError
	switch {
	case sure > clockLimit:
		add(&ClockError{Node: n.Name, Host: sshTo(n), Offset: f.ClockOffset, Margin: f.ClockError})
	case sure > clockNote:
		note(fmt.Sprintf("%s: its clock is %s off, give or take %s", n.Name, off.Round(time.Millisecond), f.ClockError.Round(time.Millisecond)))
	case f.Synced == "no":
		note(n.Name + ": nothing keeps its clock in time: install chrony")
	}
	if f.SwapMB > 0 {
		note(fmt.Sprintf("%s: it has %d MB of swap: a server that is swapped out looks dead to the others", n.Name, f.SwapMB))
	}
	const files = 65536
	if f.OpenFiles >= 0 && f.OpenFiles < files && !(f.Systemd && hostRoot(n) == "") {
		note(fmt.Sprintf("%s: at most %d open files, where Cassandra wants 100000", n.Name, f.OpenFiles))
	}
	if !f.Running {
		if f.FreeMB < needFreeMB {
			add(&SpaceError{Node: n.Name, Host: sshTo(n), FreeMB: f.FreeMB, NeedMB: needFreeMB})
		}
		for _, taken := range f.taken(n) {
			add(&PortError{Node: n.Name, Host: sshTo(n), Address: taken})
		}
	}
	return many.Join(all...)
}

// PublicHere says that a node's public address is the machine's own and not a NAT's
// before it: a server that listens at the private one alone is not reached there.
func (f Facts) PublicHere(n topology.Node) bool {
	public, err := netip.ParseAddr(n.PublicAddress)
	return err == nil && n.PublicAddress != n.PrivateAddress && slices.Contains(f.Addresses, public)
}

// TwoAddressesError says that a machine has both of its addresses itself, and that the
// version can't listen at both.
type TwoAddressesError struct{ Node, Private, Public, Version string }

func (e *TwoAddressesError) Error() string {
	return fmt.Sprintf("%s: its machine has both %s and %s itself, without a NAT between, and Cassandra %s listens at one of them only: the other nodes would not reach it",
		e.Node, e.Private, e.Public, e.Version)
}

// NodeName is the node that the text names.
func (e *TwoAddressesError) NodeName() string { return e.Node }

// ExitCode is that of a bad spec.
func (e *TwoAddressesError) ExitCode() int { return 2 }

// Hint is what to write.
func (e *TwoAddressesError) Hint() string {
	return "write private: " + e.Public + " for it in the inventory file"
}

// taken lists the addresses that the node would listen on and others do.
func (f Facts) taken(n topology.Node) []netip.AddrPort {
	private, err := netip.ParseAddr(n.PrivateAddress)
	if err != nil {
		return nil // not known yet
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	var taken []netip.AddrPort
	for _, want := range []netip.AddrPort{
		netip.AddrPortFrom(private, uint16(n.Ports.Storage)),
		netip.AddrPortFrom(private, uint16(n.Ports.Native)),
		netip.AddrPortFrom(loopback, uint16(n.Ports.Jolokia)),
	} {
		for _, l := range f.Listening {
			if want.Port() != 0 && l.Port() == want.Port() && (l.Addr() == want.Addr() || l.Addr().IsUnspecified()) {
				taken = append(taken, want)
				break
			}
		}
	}
	return taken
}

// ClockError says that a machine's clock is too far off.
type ClockError struct {
	Node, Host     string // Host is the command that logs in, here and below
	Offset, Margin time.Duration
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("%s: its clock is %s off, give or take %s: the last write would not win", e.Node,
		e.Offset.Round(time.Millisecond), e.Margin.Round(time.Millisecond))
}

// NodeName is the node that the text names.
func (e *ClockError) NodeName() string { return e.Node }

// Hint is the command that sets it right.
func (e *ClockError) Hint() string {
	return e.Host + " sudo chronyc makestep   # with chrony, which apt-get install chrony installs"
}

// SpaceError says that a machine's disk is too full.
type SpaceError struct {
	Node, Host     string
	FreeMB, NeedMB int64
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s: %d MB free, at least %d MB needed", e.Node, e.FreeMB, e.NeedMB)
}

// NodeName is the node that the text names.
func (e *SpaceError) NodeName() string { return e.Node }

// Hint is the command that looks at the disks.
func (e *SpaceError) Hint() string { return e.Host + " df -h" }

// PortError says that something listens where the node would.
type PortError struct {
	Node, Host string
	Address    netip.AddrPort
}

func (e *PortError) Error() string {
	return fmt.Sprintf("%s: %s is in use by another program", e.Node, e.Address)
}

// NodeName is the node that the text names.
func (e *PortError) NodeName() string { return e.Node }

// ExitCode is that of something busy.
func (e *PortError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that tells whose it is.
func (e *PortError) Hint() string { return e.Host + " sudo ss -ltnp" }

// sshTo is the command that logs in to a node's machine.
func sshTo(n topology.Node) string {
	h := n.Host
	if h == nil {
		return "ssh " + n.Name
	}
	if h.Port != 0 && h.Port != 22 {
		return fmt.Sprintf("ssh -p %d %s@%s", h.Port, h.User, h.Address)
	}
	return fmt.Sprintf("ssh %s@%s", h.User, h.Address)
}
