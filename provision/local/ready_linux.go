package local

import (
	"errors"
	"fmt"
	"net"

	"crossring/provision/local/procs"
)

// Ready tries to listen at an address as nodes have them, and counts the clusters that
// may still be made beside those that run.
func Ready() (string, error) {
	socks, err := procs.Sockets()
	if err != nil {
		return "", err
	}
	used, free := slotsOf(socks), 0
	for slot := FirstSlot; slot <= lastSlot; slot++ {
		if !used[slot] {
			free++
		}
	}
	const address = "127.251.1.1" // of no slot
	l, err := net.Listen("tcp4", net.JoinHostPort(address, "0"))
	if err == nil {
		err = l.Close()
	}
	if err == nil && free == 0 {
		err = errors.New("all are in use")
	}
	if err != nil {
		return "", fmt.Errorf("addresses of nodes, 127.0.0.0/8: %w", err)
	}
	return fmt.Sprintf("nodes can listen at 127.0.0.0/8; %d of %d places for clusters are free", free, lastSlot-FirstSlot+1), nil
}
