package local

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"crossring/internal/fail"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// A slot is held by a unix socket in the abstract namespace: the kernel gives a
// name to one holder only, takes it back when the holder dies, and leaves no file.
func slotName(slot int) string { return "@crossring-slot-" + strconv.Itoa(slot) }

// errSlotHeld says that another cluster has the slot.
var errSlotHeld = errors.New("slot is held by another cluster")

// SlotTakenError says that the addresses of a cluster are another one's by now: it had
// them while this one's keeper was gone, as after a reboot.
type SlotTakenError struct {
	Cluster string
	Slot    int
	Holder  string // the other's directory; "" where that can't be seen
	PID     int    // of its keeper; 0 where that can't be seen
}

func (e *SlotTakenError) Error() string {
	s := fmt.Sprintf("cluster %s: its addresses 127.%d.* are held by another cluster", e.Cluster, e.Slot)
	if e.Holder != "" {
		s += fmt.Sprintf(", %s (pid %d)", e.Holder, e.PID)
	}
	return s
}

// ExitCode is that of something that is taken.
func (e *SlotTakenError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that frees the addresses, or gives this cluster others.
func (e *SlotTakenError) Hint() string {
	anew := "crossring down " + e.Cluster + " && crossring up -f FILE   # other addresses, without the data"
	if e.Holder == "" {
		return anew
	}
	root, name := filepath.Dir(filepath.Dir(e.Holder)), filepath.Base(e.Holder)
	return "crossring --state " + root + " down " + name + "   # or " + anew
}

// slotTaken says who holds a cluster's slot.
func slotTaken(cluster string, slot int) *SlotTakenError {
	e := &SlotTakenError{Cluster: cluster, Slot: slot}
	data, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return e
	}
	for line := range strings.Lines(string(data)) {
		// ffff…: 00000002 00000000 00010000 0001 01 INODE @NAME
		f := strings.Fields(line)
		if len(f) < 8 || f[7] != slotName(slot) {
			continue
		}
		inode, err := strconv.ParseUint(f[6], 10, 64)
		if err != nil {
			continue
		}
		if p, ok := procs.Owner(inode); ok && clusterOf(p) != "" {
			e.Holder, e.PID = p.Args[len(p.Args)-1], p.PID
		}
	}
	return e
}

func holdSlot(slot int) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: slotName(slot), Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errSlotHeld
	}
	if err != nil {
		return nil, fmt.Errorf("hold slot %d: %w", slot, err)
	}
	return l, nil
}

// slotInUse says whether any socket has an address in the slot: nodes that
// outlived their keeper, or somebody else's servers.
func slotInUse(slot int) (bool, error) {
	socks, err := procs.Sockets()
	if err != nil {
		return false, err
	}
	return slotsOf(socks)[slot], nil
}

// slotsOf are the slots in which any of the sockets listens.
func slotsOf(socks []procs.Socket) map[int]bool {
	used := map[int]bool{}
	for _, s := range socks {
		if a := s.Local.Addr().Unmap(); s.Listening && a.Is4() && a.As4()[0] == 127 {
			used[int(a.As4()[1])] = true
		}
	}
	return used
}

// chooseSlot finds a free slot, holds it, and places the plan in it. The search
// starts at a number made from the directory, so that clusters of different
// state directories seldom meet, even while one of them is stopped.
func chooseSlot(plan topology.Plan, dir string) (slot int, nodes []topology.Node, held *net.UnixListener, err error) {
	h := fnv.New32a()
	h.Write([]byte(dir))
	const slots = lastSlot - FirstSlot + 1
	offset := int(h.Sum32() % slots)
	var taken *PortTakenError
	for i := range slots {
		slot = FirstSlot + (offset+i)%slots
		held, err = holdSlot(slot)
		if errors.Is(err, errSlotHeld) {
			continue
		}
		if err != nil {
			return 0, nil, nil, err
		}
		inUse, err := slotInUse(slot)
		if err == nil && !inUse {
			nodes, err = Assign(plan, slot, dir)
			if err == nil {
				err = checkPorts(nodes, true)
			}
			if err == nil {
				return slot, nodes, held, nil
			}
		}
		held.Close()
		if err != nil && !errors.As(err, &taken) {
			return 0, nil, nil, err
		}
		if taken != nil {
			// Nothing listens in this slot, so the port is taken on every address.
			return 0, nil, nil, taken
		}
	}
	return 0, nil, nil, fmt.Errorf("no free addresses: all %d slots of 127.0.0.0/8 are in use", slots)
}

// checkPorts binds every address that the nodes will listen on, all at once, and
// lets go again; with the keeper's, too, those that it will listen on for them.
// It starts nothing.
func checkPorts(nodes []topology.Node, keepers bool) error {
	var taken []Taken
	for _, n := range nodes {
		for _, hostport := range listenAddresses(n, keepers) {
			l, err := net.Listen("tcp", hostport)
			if errors.Is(err, syscall.EADDRINUSE) {
				taken = append(taken, whoListens(hostport))
				continue
			}
			if err != nil {
				return fmt.Errorf("check port: %w", err)
			}
			l.Close()
		}
	}
	if len(taken) > 0 {
		return &PortTakenError{Taken: taken}
	}
	return nil
}

func listenAddresses(n topology.Node, keepers bool) []string {
	var all []string
	add := func(addr string, ports ...int) {
		for _, p := range ports {
			if p != 0 {
				all = append(all, net.JoinHostPort(addr, strconv.Itoa(p)))
			}
		}
	}
	add(n.PrivateAddress, n.Ports.Storage, n.Ports.SSLStorage, n.Ports.Native, n.Ports.Thrift, n.Ports.Jolokia)
	if keepers {
		add(n.PrivateAddress, n.Ports.Metadata)
		add(n.PublicAddress, n.Ports.Storage, n.Ports.SSLStorage)
	}
	return all
}

func whoListens(hostport string) Taken {
	t := Taken{Address: hostport}
	want, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return t
	}
	socks, err := procs.Sockets()
	if err != nil {
		return t
	}
	for _, s := range socks {
		a := s.Local.Addr()
		if s.Listening && s.Local.Port() == want.Port() && (a == want.Addr() || a.IsUnspecified()) {
			if p, ok := procs.Owner(s.Inode); ok {
				t.PID, t.Command = p.PID, p.Args[0]
			}
			return t
		}
	}
	return t
}
