//go:build linux

package awslab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix is how the names of everything begin that the lab makes on this computer.
const prefix = "crossring-lab-"

// Namespaces of every lab.
const (
	routerNS   = prefix + "router"
	operatorNS = prefix + "operator"
)

// Addresses that are the same in every lab, all from ranges that are kept for examples.
const (
	operatorAddress = "198.18.255.4"
	operatorGateway = "198.18.255.1"
	mirrorAddress   = "198.18.255.80"
	metadataAddress = "169.254.169.254"
)

// listenIn listens in a network namespace. The socket stays there; whoever accepts
// from it may be anywhere.
func listenIn(ctx context.Context, namespace, address string) (net.Listener, error) {
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result, 1)
	go func() {
		// The thread is not given back: it ends with this goroutine, and the namespace of
		// the others is untouched.
		runtime.LockOSThread()
		f, err := os.Open(filepath.Join("/run/netns", namespace))
		if err != nil {
			done <- result{err: err}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: err}
			return
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp4", address)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("listen on %s in %s: %w", address, namespace, r.err)
	}
	return r.l, nil
}

// namespaces lists those of the lab.
func namespaces() ([]string, error) {
	entries, err := os.ReadDir("/run/netns")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// ip runs several commands of ip in a namespace, one a line.
func ip(ctx context.Context, namespace, lines string) error {
	if _, err := output(ctx, []byte(lines), "ip", "-n", namespace, "-batch", "-"); err != nil {
		return err
	}
	return nil
}

// addNamespace makes a namespace with loopback.
func addNamespace(ctx context.Context, name string) error {
	if err := command(ctx, "ip", "netns", "add", name); err != nil {
		return err
	}
	return ip(ctx, name, "link set lo up\n")
}

// attach joins a namespace to the router by a line of its own: nothing reaches it but
// through the router. The line's ends are never outside the two namespaces.
func attach(ctx context.Context, namespace, port, address, gateway string) error {
	if err := ip(ctx, routerNS, fmt.Sprintf(`link add %[1]s type veth peer name eth0 netns %[2]s
address add %[3]s/32 dev %[1]s
link set %[1]s up
route add %[4]s/32 dev %[1]s
`, port, namespace, gateway, address)); err != nil {
		return err
	}
	return ip(ctx, namespace, fmt.Sprintf(`address add %[1]s/32 dev eth0
link set eth0 up
route add %[2]s/32 dev eth0
route add default via %[2]s
`, address, gateway))
}

// buildNetwork makes the router and the operator's place.
func buildNetwork(ctx context.Context) error {
	for _, name := range []string{routerNS, operatorNS} {
		if err := addNamespace(ctx, name); err != nil {
			return err
		}
	}
	if err := command(ctx, "ip", "netns", "exec", routerNS, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"); err != nil {
		return err
	}
	if err := ip(ctx, routerNS, "address add "+mirrorAddress+"/32 dev lo\n"); err != nil {
		return err
	}
	return attach(ctx, operatorNS, "operator", operatorAddress, operatorGateway)
}

// applyRules puts a rule set in the place of the one before, all at once.
func applyRules(ctx context.Context, rules string) error {
	_, err := output(ctx, []byte(rules), "ip", "netns", "exec", routerNS, "nft", "-f", "-")
	return err
}
