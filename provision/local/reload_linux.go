package local

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local/imds"
	"crossring/provision/local/wan"
)

// reload reads the inventory again: the network and the metadata learn of the nodes
// that have come, and forget those that have gone. To know one already is no error.
func (k *keeper) reload() error {
	inv, err := state.ReadInventory(k.dir)
	if err != nil {
		return err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	if inv.Local == nil || inv.Local.ID != k.inv.Local.ID {
		return fmt.Errorf("inventory of %s is of another cluster than %s", k.dir, k.inv.Local.ID)
	}
	here := map[string]bool{}
	for _, n := range inv.Nodes {
		here[n.Name] = true
	}
	for _, n := range k.inv.Nodes {
		if !here[n.Name] {
			k.forget(n.Name)
		}
	}
	for _, n := range inv.Nodes {
		e, err := endpointOf(inv.Plan, n)
		if err != nil {
			return err
		}
		if err := k.wan.Add(e); err != nil {
			return err
		}
		if err := k.answerMetadata(n); err != nil {
			return err
		}
	}
	k.inv = inv
	return nil
}

func (k *keeper) forget(name string) {
	k.wan.Remove(name)
	if srv := k.metadata[name]; srv != nil {
		srv.Close()
		delete(k.metadata, name)
	}
	k.nodes.forget(name)
	k.log.Info("gone", "node", name)
}

// answerMetadata answers for the instance metadata of a node, unless that is done
// already.
func (k *keeper) answerMetadata(n topology.Node) error {
	if k.metadata[n.Name] != nil {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(n.PrivateAddress, strconv.Itoa(n.Ports.Metadata)))
	if err != nil {
		return fmt.Errorf("listen for metadata of %s: %w", n.Name, err)
	}
	srv := &http.Server{
		Handler: imds.Handler(imds.Instance{
			ID: "i-" + n.Name, Zone: n.Zone, Region: n.Region, Private: n.PrivateAddress, Public: n.PublicAddress,
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	k.metadata[n.Name] = srv
	go func() { _ = srv.Serve(l) }() // until it is closed
	return nil
}

// endpointOf is a node as the network sees it.
func endpointOf(p topology.Plan, n topology.Node) (wan.Endpoint, error) {
	public, err := netip.ParseAddr(n.PublicAddress)
	if err != nil {
		return wan.Endpoint{}, fmt.Errorf("%s: public address: %w", n.Name, err)
	}
	private, err := netip.ParseAddr(n.PrivateAddress)
	if err != nil {
		return wan.Endpoint{}, fmt.Errorf("%s: private address: %w", n.Name, err)
	}
	return wan.Endpoint{Node: n.Name, Region: n.Region, Public: public, Private: private, Ports: []int{p.InternodePort(n)}}, nil
}
