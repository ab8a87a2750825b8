package hosts

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/plain"
	"crossring/internal/strict"
	"crossring/internal/topology"
)

// Entry is one machine of an inventory file.
type Entry struct {
	Line    int
	Region  string
	Zone    string // "" is any of the region
	Private string // IP address that the node listens on
	Public  string // IP address that the others reach it by
	Jolokia int    // port of the agent; 0 is the usual one
	Host    topology.Host
}

// fileVersion is the value of the version key.
const fileVersion = topology.Schema

// Problem is one thing that is wrong with an inventory file.
type Problem struct {
	File    string
	Line    int // 0 when it is not known
	Message string
}

func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

// ExitCode is that of a bad spec.
func (p *Problem) ExitCode() int { return fail.ExitUsage }

// Hint is the way to put it right.
func (p *Problem) Hint() string { return "$EDITOR " + plain.Word(p.File) }

// reader walks an inventory file and gathers what is wrong with it.
type reader struct {
	file     string
	problems []*Problem
}

func (r *reader) bad(line int, format string, args ...any) {
	r.problems = append(r.problems, &Problem{File: r.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// Parse reads an inventory file: what holds for all machines under ssh, and the
// machines under hosts. Relative names of key files are relative to the file;
// "~/" is below home. The error, if any, lists every problem, each a *Problem.
//
//	version: crossring/v1
//	ssh: {user: admin, identity_file: ~/.ssh/id_ed25519}
//	hosts:
//	  - {address: 203.0.113.10, region: us-east-1, private: 10.0.0.10, public: 203.0.113.10}
func Parse(name string, data []byte, home string) ([]Entry, error) {
	r := &reader{file: name}
	root, problem := strict.Load(data, "an inventory file")
	if problem != nil {
		return nil, &Problem{File: name, Line: problem.Line, Message: problem.Message}
	}
	var version string
	var common Entry
	var items *yaml.Node
	r.keys(root, "the file", map[string]func(*yaml.Node){
		"version": r.text(&version),
		"ssh":     func(n *yaml.Node) { r.keys(n, "ssh", r.login(&common.Host, home)) },
		"hosts":   func(n *yaml.Node) { items = n },
	})
	if version != fileVersion {
		r.bad(root.Line, "version must be %s", fileVersion)
	}
	var list []Entry
	switch {
	case items == nil:
		r.bad(root.Line, "hosts is missing")
	case items.Kind != yaml.SequenceNode || len(items.Content) == 0:
		r.bad(items.Line, "hosts must be a list of at least one machine")
	default:
		for _, n := range items.Content {
			list = append(list, r.entry(n, common, home))
		}
	}
	r.twice(list)
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.Line - b.Line })
	errs := make([]error, len(r.problems))
	for i, p := range r.problems {
		errs[i] = p
	}
	return list, many.Join(errs...)
}

func (r *reader) entry(n *yaml.Node, common Entry, home string) Entry {
	e := common
	e.Line = n.Line
	h := &e.Host
	keys := r.login(h, home)
	for key, f := range map[string]func(*yaml.Node){
		"address":      r.text(&h.Address),
		"region":       r.text(&e.Region),
		"zone":         r.text(&e.Zone),
		"private":      r.ip(&e.Private),
		"public":       r.ip(&e.Public),
		"root":         r.text(&h.Root),
		"java_home":    r.text(&h.JavaHome),
		"disks":        r.list(&h.Devices),
		"host_keys":    r.list(&h.HostKeys),
		"jolokia_port": r.port(&e.Jolokia),
	} {
		keys[key] = f
	}
	if !r.keys(n, "a host", keys) {
		return e
	}
	e.Private = cmp.Or(e.Private, e.Public)
	e.Public = cmp.Or(e.Public, e.Private)
	h.Address = cmp.Or(h.Address, e.Public)
	h.Port = cmp.Or(h.Port, 22)
	need := func(ok bool, message string) {
		if !ok {
			r.bad(n.Line, "%s", message)
		}
	}
	need(e.Private != "", "the host has no private or public address")
	need(e.Region != "", "the host has no region")
	need(e.Region == "" || strings.HasPrefix(e.Zone, e.Region) || e.Zone == "", fmt.Sprintf("zone %s is not in region %s", e.Zone, e.Region))
	need(h.User != "", "the host has no user: write it at the host or under ssh")
	need(h.Root == "" || path.IsAbs(h.Root) && path.Clean(h.Root) != "/", "root must be an absolute path below /")
	need(h.Root == "" || len(h.Devices) == 0, "disks can't be formatted below a root of its own")
	need(h.Jump == "" || h.Proxy == "", "a host is reached through jump or through socks5, not both")
	return e
}

// login are the keys that may stand under ssh, for all, as well as at a host.
func (r *reader) login(h *topology.Host, home string) map[string]func(*yaml.Node) {
	return map[string]func(*yaml.Node){
		"user":   r.text(&h.User),
		"port":   r.port(&h.Port),
		"jump":   r.text(&h.Jump),
		"socks5": r.text(&h.Proxy),
		"identity_file": func(n *yaml.Node) {
			r.text(&h.Identity)(n)
			if rest, ok := strings.CutPrefix(h.Identity, "~/"); ok {
				h.Identity = filepath.Join(home, rest)
			} else if h.Identity != "" && !filepath.IsAbs(h.Identity) {
				h.Identity = filepath.Join(filepath.Dir(r.file), h.Identity)
			}
		},
	}
}

// keys hands each value of a mapping to the function of its key.
func (r *reader) keys(n *yaml.Node, what string, known map[string]func(*yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		r.bad(n.Line, "%s must have keys and values", what)
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := known[key.Value]
		switch {
		case !ok:
			names := make([]string, 0, len(known))
			for k := range known {
				names = append(names, k)
			}
			slices.Sort(names)
			r.bad(key.Line, "%q is not a key of %s: there are %s", key.Value, what, strings.Join(names, ", "))
		case seen[key.Value]:
			r.bad(key.Line, "%q stands twice", key.Value)
		default:
			f(value)
		}
		seen[key.Value] = true
	}
	return true
}

func (r *reader) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			r.bad(n.Line, "a text is wanted here")
			return
		}
		*to = n.Value
	}
}

func (r *reader) ip(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		addr, err := netip.ParseAddr(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || addr.IsUnspecified() {
			r.bad(n.Line, "%q is not an IP address", n.Value)
			return
		}
		*to = addr.String()
	}
}

func (r *reader) port(to *int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		p, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || p < 1 || p > 65535 {
			r.bad(n.Line, "%q is not a port", n.Value)
			return
		}
		*to = p
	}
}

func (r *reader) list(to *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			r.bad(n.Line, "a list is wanted here")
			return
		}
		for _, item := range n.Content {
			var s string
			r.text(&s)(item)
			*to = append(*to, s)
		}
	}
}

// twice finds machines that would be in each other's way.
func (r *reader) twice(list []Entry) {
	type taken struct{ what, address string }
	first := map[taken]int{}
	for _, e := range list {
		for _, p := range []taken{
			{"ssh", fmt.Sprintf("%s:%d%s", e.Host.Address, e.Host.Port, e.Host.Root)}, {"private address", e.Private}, {"public address", e.Public},
		} {
			if line, ok := first[p]; ok && p.address != "" {
				r.bad(e.Line, "%s %s is that of the host in line %d already", p.what, p.address, line)
			}
			first[p] = e.Line
		}
	}
}

// Assign gives the nodes of a plan their machines, zone by zone in the order of
// the file. What is left over is not used. Pure.
func Assign(plan topology.Plan, file string, list []Entry) ([]topology.Node, error) {
	used := make([]bool, len(list))
	nodes := make([]topology.Node, len(plan.Nodes))
	var errs []error
	for i, n := range plan.Nodes {
		k := free(list, used, n.Region, n.Zone)
		if k < 0 {
			k = free(list, used, n.Region, "")
		}
		if k < 0 {
			errs = append(errs, &Problem{File: file, Message: fmt.Sprintf("there is no machine for %s in %s", n.Name, n.Zone)})
			continue
		}
		used[k] = true
		nodes[i] = list[k].node(n, plan.Disks)
	}
	return nodes, many.Join(errs...)
}

// node is a node on this machine.
func (e Entry) node(n topology.Node, disks topology.Disks) topology.Node {
	host := e.Host
	n.Host = &host
	n.PrivateAddress, n.PublicAddress = e.Private, e.Public
	n.Layout = topology.HostLayout(host.Root, disks)
	n.Ports.Jolokia = cmp.Or(e.Jolokia, n.Ports.Jolokia)
	return n
}

// is says whether a node stands on this machine.
func (e Entry) is(n topology.Node) bool {
	return n.Host != nil && e.Host.Address == n.Host.Address && e.Host.Port == n.Host.Port && e.Host.Root == n.Host.Root ||
		e.Private == n.PrivateAddress || e.Public == n.PublicAddress
}

// free finds a machine that has no node yet; -1 when there is none.
func free(list []Entry, used []bool, region, zone string) int {
	for i, e := range list {
		if !used[i] && e.Region == region && e.Zone == zone {
			return i
		}
	}
	return -1
}
