package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// watcher counts the packets that begin or refuse connections, as they pass the
// devices of the machine: arriving ones before its firewall, leaving ones after.
type watcher struct {
	fd    int
	ports []int
	wake  [2]int // a pipe that ends the reader

	mu   sync.Mutex
	have map[Packet]int
	done chan struct{}
}

// watch begins to watch the beginnings of connections to or from ports. It needs
// root's rights, or CAP_NET_RAW.
func watch(ports []int) (*watcher, error) {
	const all = unix.ETH_P_ALL // of one protocol alone, leaving packets are not shown
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(swap16(all)))
	if err != nil {
		return nil, fmt.Errorf("watch packets: %w", err)
	}
	program, err := bpf.Assemble(synOrReset)
	if err == nil {
		filters := make([]unix.SockFilter, len(program))
		for i, f := range program {
			filters[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
		}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]})
	}
	w := &watcher{fd: fd, ports: ports, have: map[Packet]int{}, done: make(chan struct{})}
	if err == nil {
		err = unix.Pipe2(w.wake[:], unix.O_CLOEXEC)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch packets: %w", err)
	}
	go w.read()
	return w, nil
}

// synOrReset passes TCP packets of IPv4 with SYN or RST set. Offsets are from the IP
// header on.
var synOrReset = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 0, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x40, SkipTrue: 8}, // IPv4
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4}, // a later fragment
	bpf.LoadMemShift{Off: 0},
	bpf.LoadIndirect{Off: 13, Size: 1}, // flags
	bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: flagSyn | flagRst, SkipTrue: 1},
	bpf.RetConstant{Val: 128},
	bpf.RetConstant{Val: 0},
}

const (
	flagSyn = 0x02
	flagRst = 0x04
	flagAck = 0x10
)

func (w *watcher) read() {
	defer close(w.done)
	buf := make([]byte, 256)
	poll := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.wake[0]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if poll[1].Revents != 0 {
			return
		}
		for {
			n, from, err := unix.Recvfrom(w.fd, buf, 0)
			if err != nil {
				break // nothing more for now, or a device that went down
			}
			if p, ok := parsePacket(buf[:n]); ok && w.wanted(p) {
				link, isLink := from.(*unix.SockaddrLinklayer)
				p.Out = isLink && link.Pkttype == unix.PACKET_OUTGOING
				w.mu.Lock()
				w.have[p]++
				w.mu.Unlock()
			}
		}
	}
}

func (w *watcher) wanted(p Packet) bool {
	return slices.Contains(w.ports, int(p.Dst.Port())) || slices.Contains(w.ports, int(p.Src.Port()))
}

// parsePacket reads an IPv4 header and the TCP header behind it.
func parsePacket(b []byte) (Packet, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return Packet{}, false
	}
	head := int(b[0]&0x0f) * 4
	if head < 20 || len(b) < head+14 || b[9] != unix.IPPROTO_TCP {
		return Packet{}, false
	}
	t := b[head:]
	at := func(a []byte, port []byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a)), binary.BigEndian.Uint16(port))
	}
	return Packet{
		Src: at(b[12:16], t[0:2]), Dst: at(b[16:20], t[2:4]),
		Syn: t[13]&flagSyn != 0, Ack: t[13]&flagAck != 0,
	}, true
}

// seen lists what has passed so far.
func (w *watcher) seen() []Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Packet, 0, len(w.have))
	for p, n := range w.have {
		p.Count = n
		list = append(list, p)
	}
	return list
}

func (w *watcher) close() {
	unix.Close(w.wake[1]) // the other end wakes up
	<-w.done
	unix.Close(w.wake[0])
	unix.Close(w.fd)
}

func swap16(n uint16) uint16 { return n<<8 | n>>8 }
