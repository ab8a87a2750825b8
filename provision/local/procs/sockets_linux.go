package procs

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sockets lists the TCP sockets, IPv4 and IPv6, of this network namespace.
func Sockets() ([]Socket, error) {
	var all []Socket
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		some, err := parseSockets(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("list sockets: %s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func parseSockets(r io.Reader) ([]Socket, error) {
	const stateListen = "0A"
	var all []Socket
	sc := bufio.NewScanner(r)
	sc.Scan() // heading
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 {
			continue
		}
		local, err := parseAddr(f[1])
		if err != nil {
			return nil, err
		}
		remote, err := parseAddr(f[2])
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("inode %q: %w", f[9], err)
		}
		all = append(all, Socket{Local: local, Remote: remote, Listening: f[3] == stateListen, Inode: inode})
	}
	return all, sc.Err()
}

// parseAddr reads the kernel's form: the address as 32-bit words in host byte
// order (little-endian here), then the port, in hexadecimal.
func parseAddr(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || (len(raw) != 4 && len(raw) != 16) {
		return netip.AddrPort{}, fmt.Errorf("socket address %q", s)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket address %q", s)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), nil
}

// HasSocket says whether the process holds the socket with this inode.
func HasSocket(pid int, inode uint64) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false // gone, or not ours to look into
	}
	want := "socket:[" + strconv.FormatUint(inode, 10) + "]"
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && link == want {
			return true
		}
	}
	return false
}

// Owner finds the process that holds the socket, among all that may be looked into.
func Owner(inode uint64) (Proc, bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return Proc{}, false
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !HasSocket(pid, inode) {
			continue
		}
		if p, err := Read(pid); err == nil {
			return p, true
		}
	}
	return Proc{}, false
}
