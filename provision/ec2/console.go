package ec2

import (
	"context"
	"fmt"
	"sync"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// sameLooks is how often an emulator may show the same on a console before it counts
// as all that there is.
const sameLooks = 3

// Console reads what the instances of some nodes have printed on their consoles, until
// enough says of each that it will do or ctx ends. What was read last is returned by
// node name, also of those of which it was not enough. A type of instance that shows
// its console only some minutes after its boot is looked at once. So that nobody waits
// for an emulator that makes its consoles up, one that repeats itself is not waited for,
// at an endpoint that is not AWS's own.
func (p Provider) Console(ctx context.Context, inv topology.Inventory, nodes []topology.Node, enough func(output string) bool) (map[string]string, error) {
	p.Pace = p.Pace.WithDefaults()
	cfg, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return nil, err
	}
	s := &site{Provider: p}
	all := map[string]string{}
	var mu sync.Mutex
	regions := map[string]*region{}
	for _, n := range nodes {
		if regions[n.Region] == nil {
			regions[n.Region] = s.region(n.Region, cfg)
		}
	}
	err = side(ctx, nodes, func(ctx context.Context, n topology.Node) error {
		id := inv.EC2.Hosts[n.Name].Instance
		if id == "" {
			return nil
		}
		r := regions[n.Region]
		emulated := r.api.Options().BaseEndpoint != nil
		last, same := "", 0
		for look := 0; ; look++ {
			text, late, err := r.cloud.Console(ctx, id)
			if err != nil && ledger.Interrupted(ctx) == nil {
				return fmt.Errorf("reading the console of %s: %w", n.Name, err)
			}
			mu.Lock()
			if text != "" {
				all[n.Name] = text
			}
			mu.Unlock()
			if same++; text == "" || text != last {
				last, same = text, 1
			}
			done := enough(text) || late || emulated && same >= sameLooks
			if err == nil && done || ledger.Pause(ctx, p.Pace.Backoff(look)) != nil {
				return nil
			}
		}
	})
	return all, err
}
