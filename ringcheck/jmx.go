package ringcheck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"crossring/internal/release"
)

// ringCalls are the calls of one bulk request that tell all a node knows of the
// ring: itself, its load, the place of each endpoint, and the effective
// ownership of a keyspace or, while that is "", of the one that nodetool shows
// instead, where it shows one. The schema version is each node's
// own attribute: StorageProxy's list of all waits out the RPC timeout while a
// node is silent, and every node is asked anyway.
func ringCalls(rel release.Release, keyspace string, endpoints []string) []call {
	calls := []call{
		{Type: "read", MBean: release.StorageService, Attribute: rel.RingAttributes(), Config: &callConfig{IgnoreErrors: true}},
		{Type: "read", MBean: rel.LoadBean, Attribute: rel.LoadAttribute},
	}
	calls = append(calls, placeCalls(endpoints)...)
	if asked := cmp.Or(keyspace, rel.Layout.OwnsKeyspace); asked != "" {
		calls = append(calls, call{Type: "exec", MBean: release.StorageService, Operation: rel.OwnershipOp, Arguments: []any{asked}})
	}
	return calls
}

// placeCalls ask for datacenter and rack of each endpoint: two calls each.
func placeCalls(endpoints []string) []call {
	calls := make([]call, 0, 2*len(endpoints))
	for _, e := range endpoints {
		calls = append(calls,
			call{Type: "exec", MBean: release.SnitchInfo, Operation: release.GetDatacenter, Arguments: []any{e}},
			call{Type: "exec", MBean: release.SnitchInfo, Operation: release.GetRack, Arguments: []any{e}})
	}
	return calls
}

// decodeView makes a view of the replies to ringCalls with the same arguments.
func decodeView(rel release.Release, keyspace string, endpoints []string, replies []reply) (View, error) {
	want := len(ringCalls(rel, keyspace, endpoints))
	if len(replies) != want {
		return View{}, fmt.Errorf("decoding ring: %d replies to %d calls", len(replies), want)
	}
	var attrs map[string]json.RawMessage
	if err := replies[0].decode(&attrs); err != nil {
		return View{}, fmt.Errorf("reading StorageService: %w", err)
	}
	var v View
	if err := decodeStorage(attrs, rel.HostIDAttribute, &v); err != nil {
		return View{}, fmt.Errorf("reading StorageService: %w", err)
	}
	var load float64 // 1.2 has a double, the others a long
	if err := replies[1].decode(&load); err != nil {
		return View{}, fmt.Errorf("reading load: %w", err)
	}
	loadBytes := int64(load)
	v.LoadBytes = &loadBytes

	decodePlaces(endpoints, replies[2:], &v)
	if keyspace == "" && rel.Layout.OwnsKeyspace == "" {
		return v, nil
	}
	var owns map[string]float64
	// A node that has just started may not know the system's keyspace yet.
	if err := replies[want-1].decode(&owns); err != nil && keyspace != "" {
		v.OwnershipErr = err
	}
	for addr, share := range owns {
		v.change(addr, func(p *Peer) {
			if keyspace != "" {
				p.OwnsEffective = &share
			} else {
				p.OwnsSystem = &share
			}
		})
	}
	return v, nil
}

// decodeStorage reads StorageService's attributes.
func decodeStorage(attrs map[string]json.RawMessage, hostIDs string, v *View) error {
	var partitioner, self string
	for name, dst := range map[string]*string{
		"ClusterName": &v.Cluster, "PartitionerName": &partitioner, "ReleaseVersion": &v.ReleaseVersion,
		"SchemaVersion": &v.SchemaVersion, "OperationMode": &v.Mode, "LocalHostId": &self,
	} {
		if err := attribute(attrs, name, dst); err != nil {
			return err
		}
	}
	v.Partitioner = shortClass(partitioner)

	var tokens map[string]string
	if err := attribute(attrs, "TokenToEndpointMap", &tokens); err != nil {
		return err
	}
	of := map[string][]string{}
	for token, addr := range tokens {
		of[addr] = append(of[addr], token)
	}
	for addr, tokens := range of {
		v.change(addr, func(p *Peer) { p.Tokens = append(p.Tokens, tokens...) })
	}
	for _, l := range []struct {
		name string
		edit func(*Peer)
	}{
		{"LiveNodes", func(p *Peer) { p.Status = Up }},
		{"UnreachableNodes", func(p *Peer) { p.Status = Down }},
		{"JoiningNodes", func(p *Peer) { p.State = Joining }},
		{"LeavingNodes", func(p *Peer) { p.State = Leaving }},
		{"MovingNodes", func(p *Peer) { p.State = Moving }},
	} {
		var addrs []string
		if err := attribute(attrs, l.name, &addrs); err != nil {
			return err
		}
		for _, a := range addrs {
			v.change(a, l.edit)
		}
	}
	var ids, loads map[string]string
	if err := attribute(attrs, hostIDs, &ids); err != nil {
		return err
	}
	for addr, id := range ids {
		v.change(addr, func(p *Peer) { p.HostID = id })
		if id == self {
			v.Self = address(addr)
		}
	}
	if err := attribute(attrs, "LoadMap", &loads); err != nil {
		return err
	}
	for addr, load := range loads {
		v.change(addr, func(p *Peer) { p.Load = load })
	}
	// A node that is not in the ring yet cannot say who owns what.
	var owns map[string]float64
	if attribute(attrs, "Ownership", &owns) == nil {
		for addr, share := range owns {
			v.change(addr, func(p *Peer) { p.Owns = &share })
		}
	}
	for addr := range v.Peers {
		v.change(addr, func(p *Peer) { p.Tokens = sortTokens(p.Tokens) })
	}
	return nil
}

// attribute decodes one attribute of a read that ignored errors: an error's text
// stands in place of the value then.
func attribute(attrs map[string]json.RawMessage, name string, dst any) error {
	raw, ok := attrs[name]
	if !ok {
		return fmt.Errorf("attribute %s: not in the answer", name)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.HasPrefix(text, "ERROR: ") {
		return fmt.Errorf("attribute %s: %s", name, strings.TrimPrefix(text, "ERROR: "))
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return fmt.Errorf("attribute %s: %w", name, err)
	}
	return nil
}

// decodePlaces reads the replies to placeCalls. A node cannot place an endpoint
// that it has not heard of; the place stays empty then.
func decodePlaces(endpoints []string, replies []reply, v *View) {
	for i, e := range endpoints {
		if _, known := v.Peers[address(e)]; !known {
			continue
		}
		var dc, rack string
		if replies[2*i].decode(&dc) != nil || replies[2*i+1].decode(&rack) != nil {
			continue
		}
		v.change(e, func(p *Peer) { p.Datacenter, p.Rack = dc, rack })
	}
}
