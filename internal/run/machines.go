package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/many"
	"crossring/internal/places"
	"crossring/internal/topology"
)

// ready makes every machine of a cluster ready for its node, all at once. The
// cluster it returns knows what they turned out to be.
func (w World) readyMachines(ctx context.Context, c cluster, sw places.Software) (cluster, error) {
	from := prepare.Software{Jolokia: sw.Jars.Jolokia}
	mirror := c.inv.Plan.Mirror
	if e := c.inv.Plan.EC2; e != nil {
		mirror = e.Mirror
	}
	if mirror != "" {
		v := c.rel.Version
		from.Mirror = strings.TrimSuffix(mirror, "/") + "/" + v + "/apache-cassandra-" + v + "-bin.tar.gz"
	} else {
		from.Pack = filepath.Join(w.CacheDir, "packs", "cassandra-"+sw.Jars.Version+".tar")
		if w.CassandraHome != "" {
			from.Pack = filepath.Join(c.dir, "pack.tar")
		}
		if err := prepare.WritePack(from.Pack, sw.Jars.ClassPath, sw.Jars.Jamm, sw.Jars.Jolokia); err != nil {
			return c, err
		}
	}
	all, err := places.ReadPrepared(c.dir)
	if err != nil {
		return c, err
	}
	if all == nil {
		all = map[string]prepare.Result{}
	}
	var mu sync.Mutex
	err = onEach(c.inv.Nodes, func(n topology.Node) error {
		m, err := c.machine(n)
		if err != nil {
			return err
		}
		res, err := prepare.Prepare(ctx, m, prepare.Request{
			Cluster: c.inv.Plan.Name, ID: c.inv.Remote.ID, Node: n, Disks: c.inv.Plan.Disks, Attached: c.attached(n),
			Release: c.rel, Software: from,
			Note: func(text string) { w.Say("%s", text) },
			Step: func(text string) { w.Log.Info("machine", "node", n.Name, "step", text) },
			Now:  w.Now,
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all[n.Name] = res
		return nil
	})
	c.inv = places.WithPrepared(c.inv, all)
	return c, errors.Join(c.partialOf(err), places.WritePrepared(c.dir, all))
}

// attached are the volumes of a node's machine by what they are for; none where its disks
// are its own.
func (c cluster) attached(n topology.Node) map[string]prepare.Attached {
	if c.place.Volumes == nil {
		return nil
	}
	return c.place.Volumes(c.inv, n.Name)
}

// onEach does f for all nodes at once and joins what went wrong, in their order.
func onEach(nodes []topology.Node, f func(topology.Node) error) error {
	return many.Each(context.Background(), nodes, len(nodes), func(_ context.Context, n topology.Node) error {
		err := f(n)
		if err != nil && !strings.HasPrefix(err.Error(), n.Name+": ") {
			err = fmt.Errorf("%s: %w", n.Name, err)
		}
		return err
	})
}

// partialOf gives an error of some machines the code that says so, when others
// are well.
func (c cluster) partialOf(err error) error {
	var many *multierror.Error
	if errors.As(err, &many) && len(many.Errors) < len(c.inv.Nodes) {
		return Partial("", err, "")
	}
	return err
}

// Exec runs a command on the machine of one node, or of all at once; then each
// line bears its node's name. One argument is a line for the shell, several are
// the words of a command. It is an error when it ends with a status other than 0
// anywhere.
func (w World) Exec(ctx context.Context, ref string, args []string, s Streams) error {
	c, nodes, err := w.pick(ref)
	if err != nil {
		return err
	}
	if !c.remote() {
		return c.noMachines(nodes[0], strings.Join(args, " "))
	}
	line := args[0]
	if len(args) > 1 {
		words := make([]string, len(args))
		for i, a := range args {
			words[i] = sshhost.Quote(a)
		}
		line = strings.Join(words, " ")
	}
	var mu sync.Mutex
	err = onEach(nodes, func(n topology.Node) error {
		m, err := c.machine(n)
		if err != nil {
			return err
		}
		cmd := sshhost.Command{Line: line, Out: s.Out, Err: s.Err}
		if len(nodes) == 1 {
			cmd.In = s.In
		} else {
			out, errs := &named{to: s.Out, name: n.Name, mu: &mu}, &named{to: s.Err, name: n.Name, mu: &mu}
			defer out.flush()
			defer errs.flush()
			cmd.Out, cmd.Err = out, errs
		}
		_, err = m.Run(ctx, cmd)
		return err
	})
	return cluster{inv: topology.Inventory{Nodes: nodes}}.partialOf(err)
}

// named puts a node's name before each line.
type named struct {
	to   io.Writer
	name string
	mu   *sync.Mutex // of all that write to the same place
	part []byte
}

func (o *named) Write(p []byte) (int, error) {
	o.part = append(o.part, p...)
	for {
		line, rest, ok := strings.Cut(string(o.part), "\n")
		if !ok {
			return len(p), nil
		}
		o.part = []byte(rest)
		o.mu.Lock()
		_, err := fmt.Fprintf(o.to, "%s: %s\n", o.name, line)
		o.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
}

// flush writes a last line that has no end.
func (o *named) flush() {
	if len(o.part) > 0 {
		_, _ = o.Write([]byte("\n")) // whoever reads has gone
	}
}

// SSH opens a shell on the machine of a node, at a terminal in raw mode.
func (w World) SSH(ctx context.Context, ref string, t sshhost.Terminal, s Streams) error {
	c, n, err := w.pickOne(ref)
	if err != nil {
		return err
	}
	if !c.remote() {
		return c.noMachines(n, "sh")
	}
	m, err := c.machine(n)
	if err != nil {
		return err
	}
	var exit *sshhost.ExitError
	if err := m.Shell(ctx, t, "", s.In, s.Out); err != nil && !errors.As(err, &exit) {
		return err // the status of the last command in a shell is nobody's error
	}
	return nil
}

// followRemote sends the lines that are added to a node's log on its machine.
func (w World) followRemote(ctx context.Context, c cluster, n topology.Node, prefix string, lines chan<- string) error {
	m, err := c.machine(n)
	if err != nil {
		return err
	}
	r, in := io.Pipe()
	line := "tail -n 0 -F " + sshhost.Quote(path.Join(n.Layout.Log, "system.log")) + " 2>/dev/null"
	if u := prepare.User(n); u != "" {
		line = "runuser -u " + u + " -- " + line // its directory is the server's, and so what stands there
	}
	go func() {
		_, err := m.Run(ctx, sshhost.Command{
			Name: "follow log of " + n.Name, Line: line,
			Root: true, Out: in,
		})
		in.CloseWithError(err)
	}()
	defer r.Close()
	err = eachLine(r, func(line string) bool {
		select {
		case lines <- prefix + line:
			return true
		case <-ctx.Done():
			return false
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
