// Standin takes the place of java for tests whose subject is crossring's own
// processes: keeper, signals, locks, journals, clusters that are half made. It reads
// the files that were rendered for a node, opens the ports, meets its peers through
// the network that crossring carries, and answers readiness, the ring and the load.
//
// It is no Cassandra. Nothing that is said of Cassandra may rest on it, and each
// behaviour that is tested on it keeps a run on real servers in make test-long.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	switch {
	case has(args, "-version"):
		// Old enough that no class archive is made for it in the user's cache.
		fmt.Fprintln(os.Stderr, `standin version "11.0.99"`)
		return 0
	case has(args, "-Xinternalversion"):
		fmt.Println("standin")
		return 0
	}
	var options []string
	for _, a := range args {
		if file, ok := strings.CutPrefix(a, "@"); ok {
			more, err := readOptions(file)
			if err != nil {
				fmt.Fprintln(os.Stderr, "standin:", err)
				return 1
			}
			options = append(options, more...)
		}
	}
	n, err := configured(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		return 1
	}
	if err := n.serve(); err != nil {
		n.log("ERROR %v", err)
		fmt.Fprintln(os.Stderr, "standin:", err)
		return 3
	}
	return 143
}

func has(list []string, item string) bool { return slices.Contains(list, item) }

// node is one server.
type node struct {
	cluster, partitioner string
	private, public      string
	storage, native      int
	seeds                []string
	tokens               []string
	datacenter, rack     string
	version              string
	agentHost            string
	agentPort            int
	user, password       string
	logFile              string
	data                 string
	id                   string

	gossip *gossip
	tables *tables
}

func (n *node) log(format string, args ...any) {
	f, err := os.OpenFile(n.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return // there is no other place to say it
	}
	defer f.Close()
	fmt.Fprintf(f, "%s standin: %s\n", time.Now().Format("2006-01-02 15:04:05,000"), fmt.Sprintf(format, args...))
}

// serve does all of a server's work, until it is told to end.
func (n *node) serve() error {
	// As the snitch does, it asks where it is before anything else.
	if err := n.locate(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(n.data, "system"), 0o755); err != nil {
		return err
	}
	n.tables = newTables(n)
	n.gossip = newGossip(n)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 3)
	peers, err := net.Listen("tcp4", net.JoinHostPort(n.private, strconv.Itoa(n.storage)))
	if err != nil {
		return err
	}
	go func() { failed <- n.gossip.accept(peers) }()
	agent, err := net.Listen("tcp4", net.JoinHostPort(n.agentHost, strconv.Itoa(n.agentPort)))
	if err != nil {
		return err
	}
	go func() { failed <- http.Serve(agent, n.agent()) }()
	go n.gossip.speak(ctx)
	// Clients are served when the seeds have been asked, as a server's are.
	if err := n.gossip.joined(ctx); err != nil {
		return nil // told to end before that
	}
	clients, err := net.Listen("tcp4", net.JoinHostPort(n.private, strconv.Itoa(n.native)))
	if err != nil {
		return err
	}
	go func() { failed <- n.serveCQL(clients) }()
	n.log("INFO Startup completed")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		n.log("INFO told to end")
		return nil
	}
}
