package test

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// Machines of these tests share one computer's addresses, beyond those that local
// clusters choose from, with those of another run of them beside this one.
const (
	blocks        = 20 // runs side by side
	regionsOfOne  = 10 // in a block: 127.251.0.0 has them all
	machinesOfOne = 20
	firstJolokia  = 18778
)

// block is this run's share of the addresses. It is held by a socket, which goes with
// the process.
var block = sync.OnceValues(func() (int, error) {
	for b := range blocks {
		held, err := net.Listen("unix", fmt.Sprintf("@crossring-test-machines-%d", b))
		if err == nil {
			go func() { _, _ = held.Accept() }() // nobody calls; it keeps the socket
			return b, nil
		}
	}
	return 0, fmt.Errorf("%d runs of these tests have all the addresses", blocks)
})

// machineAddress is that of the n-th machine of the i-th region, both from 0.
func machineAddress(t *testing.T, i, n int) string {
	t.Helper()
	b, err := block()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.251.%d.%d", b*regionsOfOne+i+1, n+1)
}

// jolokiaPort is that of the n-th machine, from 0.
func jolokiaPort(t *testing.T, n int) int {
	t.Helper()
	b, err := block()
	if err != nil {
		t.Fatal(err)
	}
	return firstJolokia + b*machinesOfOne + n
}
