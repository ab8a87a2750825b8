package run

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/yamlgen"
)

// RenderRequest says whose files, and where they go.
type RenderRequest struct {
	Name string     // a cluster that was made, or
	Spec *spec.Spec // one that is only planned
	Node string     // name or number; "" is all
	// Dir takes the files, a directory for each node; "" only returns them.
	Dir string
}

// Rendered is the files of some nodes.
type Rendered struct {
	Schema string         `json:"schema"`
	Nodes  []RenderedNode `json:"nodes"`
	// Assumed says that the addresses are made up, since nothing was made yet.
	Assumed bool `json:"assumed_addresses"`
}

// RenderedNode is the files of one node.
type RenderedNode struct {
	Name  string         `json:"name"`
	Files []RenderedFile `json:"files"`
}

// RenderedFile is one file.
type RenderedFile struct {
	Path    string      `json:"path"`
	Mode    fs.FileMode `json:"mode"`
	Content string      `json:"content"`
}

// Render gives the files that the nodes are configured by. It starts nothing.
func Render(_ context.Context, w cluster.World, req RenderRequest) (Rendered, error) {
	res := Rendered{Schema: topology.Schema, Nodes: []RenderedNode{}}
	inv, err := renderInventory(w, req)
	if err != nil {
		return res, err
	}
	res.Assumed = req.Spec != nil
	place, err := places.For(inv.Plan.Provider, w.Deps())
	if err != nil {
		return res, err
	}
	if err := place.NoServers(inv.Plan.Name, ""); err != nil {
		return res, err
	}
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return res, err
	}
	nodes := inv.Nodes
	if req.Node != "" {
		n, err := inv.Node(req.Node)
		if err != nil {
			return res, fail.Usage("", err, "")
		}
		nodes = []topology.Node{n}
	}
	renderer, err := yamlgen.NewRenderer(inv)
	if err != nil {
		return res, err
	}
	if res.Nodes, err = renderAll(renderer, nodes, func(n topology.Node) yamlgen.Env {
		env := place.Env(rel, n, renderEnv(w, place, inv.Plan))
		env.AgentPassword = "made-by-up" // not shown: it opens the agents
		if inv.Plan.TLS != nil {
			env.StorePassword = "made-by-up" // not shown: it opens the stores
		}
		return env
	}); err != nil {
		return res, err
	}
	if req.Dir == "" {
		return res, nil
	}
	return res, writeRendered(req.Dir, res)
}

// renderAll renders the files of all nodes, on all processors. What goes wrong with
// the first node is the error.
func renderAll(r yamlgen.Renderer, nodes []topology.Node, env func(topology.Node) yamlgen.Env) ([]RenderedNode, error) {
	rendered := make([]RenderedNode, len(nodes))
	errs := make([]error, len(nodes))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(nodes)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(nodes)); i = next.Add(1) - 1 {
				n := nodes[i]
				files, err := r.Render(n, env(n))
				if err != nil {
					errs[i] = fmt.Errorf("render %s: %w", n.Name, err)
					continue
				}
				rendered[i].Name = n.Name
				for _, f := range files {
					rendered[i].Files = append(rendered[i].Files, RenderedFile{Path: f.Path, Mode: f.Mode, Content: string(f.Data)})
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return []RenderedNode{}, err
		}
	}
	return rendered, nil
}

func renderInventory(w cluster.World, req RenderRequest) (topology.Inventory, error) {
	if req.Spec == nil {
		if err := cluster.CheckName(req.Name); err != nil {
			return topology.Inventory{}, err
		}
		c, err := w.Open(req.Name)
		return c.Inv, err
	}
	p, err := cluster.Plan(*req.Spec)
	if err != nil {
		return topology.Inventory{}, err
	}
	inv := topology.Inventory{Schema: topology.Schema, Plan: p}
	place, err := places.For(p.Provider, w.Deps())
	if err != nil {
		return inv, err
	}
	if place.Assumed != nil {
		inv.Nodes, err = place.Assumed(p)
	} else {
		inv.Nodes, err = documentationAddresses(p)
	}
	return inv, err
}

// regionsAssumed is how many regions have addresses without an inventory: as many
// as fit 10.0.0.0/8 in elevens.
const regionsAssumed = 22

// documentationAddresses places nodes on hosts that do not exist yet, at
// addresses that are reserved for examples, region by region, from the fourth one
// on for benchmarks.
func documentationAddresses(p topology.Plan) ([]topology.Node, error) {
	public := []string{"203.0.113.%d", "198.51.100.%d", "192.0.2.%d"}
	regions := map[string]int{}
	count := map[string]int{}
	var nodes []topology.Node
	for _, n := range p.Nodes {
		if _, ok := regions[n.Region]; !ok {
			regions[n.Region] = len(regions)
		}
		r := regions[n.Region]
		count[n.Region]++
		host := 9 + count[n.Region]
		if r >= regionsAssumed || host > 254 {
			return nil, fmt.Errorf("render without an inventory has addresses for %d regions of 245 nodes; bring the cluster up and render it by its name", regionsAssumed)
		}
		if r < len(public) {
			n.PublicAddress = fmt.Sprintf(public[r], host)
		} else {
			n.PublicAddress = fmt.Sprintf("198.18.%d.%d", r, host)
		}
		n.PrivateAddress = fmt.Sprintf("10.%d.0.%d", 11*(r+1), host)
		n.Layout = topology.HostLayout("", p.Disks)
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// renderEnv names the software by where it will be; which jars there are is
// known only when they have been fetched.
func renderEnv(w cluster.World, place places.Place, p topology.Plan) yamlgen.Env {
	lib := filepath.Join(w.CacheDir, p.Version)
	if !place.Processes {
		lib = path.Join(topology.HostLayout("", p.Disks).Root, "lib")
	}
	return yamlgen.Env{ClassPath: []string{filepath.Join(lib, "*")}, Fresh: true}
}

func writeRendered(dir string, res Rendered) error {
	for _, n := range res.Nodes {
		for _, f := range n.Files {
			path := filepath.Join(dir, n.Name, filepath.Base(f.Path))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("write rendered files: %w", err)
			}
			if err := os.WriteFile(path, []byte(f.Content), f.Mode); err != nil {
				return fmt.Errorf("write rendered files: %w", err)
			}
		}
	}
	return nil
}
