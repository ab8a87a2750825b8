package containers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/netip"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"golang.org/x/sys/unix"

	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// answerWait is how long a Docker API may take to say who it is.
const answerWait = 20 * time.Second

// machine is where containers run: a Docker API.
type machine struct{ *client.Client }

// connect reaches the Docker API at host.
func connect(ctx context.Context, host string) (machine, error) {
	c, err := client.New(client.FromEnv, client.WithHost(host))
	if err != nil {
		return machine{}, &UnreachableError{Host: host, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return machine{}, &UnreachableError{Host: host, Err: errors.Join(err, c.Close())}
	}
	return machine{c}, nil
}

// reach readies testcontainers for the Docker API at host, or for the one that it
// finds itself: by DOCKER_HOST, the current context, or the usual sockets.
func reach(ctx context.Context, host string) (machine, error) {
	log.SetDefault(silent{})
	// It reads these from the environment alone. Its reaper would remove the cluster
	// at the end of this command.
	err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	if host != "" {
		err = errors.Join(err, os.Setenv("DOCKER_HOST", host))
	}
	if err != nil {
		return machine{}, fmt.Errorf("ready testcontainers: %w", err)
	}
	if given := os.Getenv("DOCKER_HOST"); given != "" {
		return connect(ctx, given) // it waits without end for one that hangs
	}
	type found struct {
		host string
		err  error
	}
	done := make(chan found, 1)
	go func() {
		p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(silent{}))
		if err != nil {
			done <- found{err: err}
			return
		}
		done <- found{host: p.Client().DaemonHost(), err: p.Close()}
	}()
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	select {
	case f := <-done:
		if f.err != nil {
			return machine{}, &UnreachableError{Err: f.err}
		}
		return connect(ctx, f.host)
	case <-ctx.Done():
		return machine{}, &UnreachableError{Err: fmt.Errorf("waiting for one to answer: %w", ctx.Err())}
	}
}

// silent keeps testcontainers from speaking: errors say what there is to say.
type silent struct{}

func (silent) Printf(string, ...any) {}

// place gives the nodes their addresses: a subnet that no network of this Docker API
// has and no interface of this computer. The search starts at a number made from the
// cluster's directory.
func (m machine) place(ctx context.Context, plan topology.Plan, dir string) ([]topology.Node, error) {
	const subnets, first = 254, 10
	if len(plan.Nodes) > topology.ContainerNodes {
		return nil, fmt.Errorf("place %s: a network of containers has addresses for %d", plain.Count(len(plan.Nodes), "node"), topology.ContainerNodes)
	}
	var used []netip.Prefix
	list, err := m.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range list.Items {
		for _, c := range n.IPAM.Config {
			used = append(used, c.Subnet)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			used = append(used, p.Masked())
		}
	}
	h := fnv.New32a()
	h.Write([]byte(dir))
	offset := int(h.Sum32() % subnets)
	for i := range subnets {
		k := byte(1 + (offset+i)%subnets)
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 213, k, 0}), 24)
		if slices.ContainsFunc(used, subnet.Overlaps) {
			continue
		}
		nodes := slices.Clone(plan.Nodes)
		for j := range nodes {
			n := &nodes[j]
			n.PrivateAddress = netip.AddrFrom4([4]byte{10, 213, k, byte(first + j)}).String()
			n.PublicAddress = n.PrivateAddress
			n.Ports.JMX = 7199 // on the container's own 127.0.0.1, for nodetool in it
			n.Layout = layout()
		}
		return nodes, nil
	}
	return nil, errors.New("no free subnet in 10.213.0.0/16 for the containers")
}

// make makes what of the network and the containers is not there.
func (m machine) make(ctx context.Context, p Provider, inv *topology.Inventory) error {
	if err := m.network(ctx, *inv); err != nil {
		return err
	}
	there, err := m.list(ctx, *inv)
	if err != nil {
		return err
	}
	for _, n := range inv.Nodes {
		if id := there[n.Name]; id != "" {
			inv.Containers.IDs[n.Name] = id
			continue
		}
		p.Log.Info("container", "node", n.Name, "image", inv.Plan.Containers.Image)
		id, err := m.container(ctx, p, *inv, n)
		if err != nil {
			return err
		}
		inv.Containers.IDs[n.Name] = id
		if err := m.check(ctx, inv.Plan, id); err != nil {
			return err
		}
		for to, from := range p.Agents {
			if from == "" {
				continue
			}
			jar, err := os.ReadFile(from)
			if err != nil {
				return fmt.Errorf("read an agent for the containers: %w", err)
			}
			if err := m.put(ctx, id, to, jar, 0o644); err != nil {
				return fail.OfNode(n.Name, "", err)
			}
		}
	}
	return nil
}

func labels(inv topology.Inventory) map[string]string {
	return map[string]string{labelCluster: inv.Plan.Name, labelID: inv.Containers.ID, labelDir: inv.Containers.Dir}
}

func mine(inv topology.Inventory) client.Filters {
	return client.Filters{}.Add("label", labelID+"="+inv.Containers.ID)
}

func (m machine) network(ctx context.Context, inv topology.Inventory) error {
	list, err := m.NetworkList(ctx, client.NetworkListOptions{Filters: mine(inv)})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	if len(list.Items) > 0 {
		return nil
	}
	addr, err := netip.ParseAddr(inv.Nodes[0].PrivateAddress)
	if err != nil {
		return fmt.Errorf("make network %s: %w", inv.Containers.Network, err)
	}
	subnet, err := addr.Prefix(24)
	if err != nil {
		return fmt.Errorf("make network %s: %w", inv.Containers.Network, err)
	}
	_, err = m.NetworkCreate(ctx, inv.Containers.Network, client.NetworkCreateOptions{
		Driver: "bridge", Labels: labels(inv),
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}},
	})
	if err != nil {
		return fmt.Errorf("make network %s: %w", inv.Containers.Network, err)
	}
	return nil
}

// published are the ports of a node that are reached from outside its network.
func published(n topology.Node) []network.Port {
	var ports []network.Port
	for _, num := range []int{n.Ports.Native, n.Ports.Jolokia} {
		if p, ok := network.PortFrom(uint16(num), network.TCP); ok && num != 0 {
			ports = append(ports, p)
		}
	}
	return ports
}

// limits are what Cassandra asks for, as far as this process might have them itself:
// Podman's own defaults may be beyond that, and no container would start. Elsewhere
// than on Linux containers are in a virtual machine with limits of its own.
func limits() []*container.Ulimit {
	if runtime.GOOS != "linux" {
		return nil
	}
	var list []*container.Ulimit
	for _, l := range []struct {
		name     string
		resource int
		want     uint64
	}{{"nofile", unix.RLIMIT_NOFILE, 100_000}, {"nproc", unix.RLIMIT_NPROC, 32_768}} {
		var have unix.Rlimit
		if err := unix.Getrlimit(l.resource, &have); err != nil {
			continue // then the default has to do
		}
		n := int64(min(l.want, uint64(have.Max))) // signed on FreeBSD
		list = append(list, &container.Ulimit{Name: l.name, Soft: n, Hard: n})
	}
	return list
}

// container makes the container of a node. Its entry point is the image's; it is
// given the server's command line instead of the image's own, which would write
// another configuration.
func (m machine) container(ctx context.Context, p Provider, inv topology.Inventory, n topology.Node) (string, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	bindings := network.PortMap{}
	var exposed []string
	for k, port := range published(n) {
		at, err := publishAt(inv, n, k, free)
		if err != nil {
			return "", err
		}
		bindings[port] = []network.PortBinding{{HostIP: loopback, HostPort: strconv.Itoa(at)}}
		exposed = append(exposed, port.String())
	}
	label := labels(inv)
	label[labelNode] = n.Name
	image := inv.Plan.Containers.Image
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		Logger: silent{},
		ContainerRequest: testcontainers.ContainerRequest{
			Image: image, Name: inv.Containers.Network + "-" + n.Name, Labels: label,
			Cmd:          []string{"java", "@" + path.Join(n.Layout.Conf, "jvm.options"), p.Main},
			ExposedPorts: exposed, Networks: []string{inv.Containers.Network},
			ConfigModifier: func(c *container.Config) {
				c.User, c.Hostname, c.WorkingDir = serverUser, n.Name, n.Layout.Home
			},
			HostConfigModifier: func(h *container.HostConfig) {
				h.PortBindings, h.NetworkMode = bindings, container.NetworkMode(inv.Containers.Network)
				h.Ulimits = limits()
			},
			EndpointSettingsModifier: func(all map[string]*network.EndpointSettings) {
				if e := all[inv.Containers.Network]; e != nil {
					e.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: netip.MustParseAddr(n.PrivateAddress)}
				}
			},
		},
	})
	if err != nil {
		if _, there := m.ImageInspect(ctx, image); errdefs.IsNotFound(there) {
			return "", &ImageError{Image: image, Reason: "it is not here, and can't be had", Err: err}
		}
		return "", fmt.Errorf("make the container of %s: %w", n.Name, err)
	}
	return c.GetContainerID(), nil
}

// list gives the ids of the cluster's containers by node name.
func (m machine) list(ctx context.Context, inv topology.Inventory) (map[string]string, error) {
	res, err := m.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine(inv)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	ids := map[string]string{}
	for _, c := range res.Items {
		ids[c.Labels[labelNode]] = c.ID
	}
	return ids, nil
}

// remove removes all that bears the cluster's label, and says what stayed.
func (m machine) remove(ctx context.Context, inv topology.Inventory) []string {
	ids, err := m.list(ctx, inv)
	if err != nil {
		return []string{err.Error()}
	}
	const atOnce = 16
	left, _ := many.Map(ctx, slices.Sorted(maps.Keys(ids)), atOnce, func(ctx context.Context, name string) (string, error) {
		_, err := m.ContainerRemove(ctx, ids[name], client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Sprintf("container of %s (%v)", name, err), nil
		}
		return "", nil
	})
	left = slices.DeleteFunc(left, func(s string) bool { return s == "" })
	stays := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	nets, err := m.NetworkList(ctx, client.NetworkListOptions{Filters: mine(inv)})
	if err != nil {
		stays("%v", err)
	}
	for _, n := range nets.Items {
		if _, err := m.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			stays("network %s (%v)", n.Name, err)
		}
	}
	if ids, err = m.list(ctx, inv); err != nil || len(ids) > 0 {
		for name := range ids {
			stays("container of %s is still there", name)
		}
		if err != nil {
			stays("%v", err)
		}
	}
	slices.Sort(left)
	return left
}
