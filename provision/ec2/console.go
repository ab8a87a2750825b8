package ec2

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

type consoleAPI interface {
	GetConsoleOutput(context.Context, *ec2.GetConsoleOutputInput, ...func(*ec2.Options)) (*ec2.GetConsoleOutputOutput, error)
}

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
	cfg, err := connect(ctx, p.Pace)
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
		api := regions[n.Region].api
		emulated := api.Options().BaseEndpoint != nil
		last, same := "", 0
		for look := 0; ; look++ {
			text, late, err := console(ctx, api, id)
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

// console is the output of an instance's console: the latest, where the type of the
// instance keeps that, else what EC2 keeps from its boot: then it is late.
func console(ctx context.Context, api consoleAPI, id string) (text string, late bool, err error) {
	out, err := api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: aws.Bool(true)})
	if code(err) == "UnsupportedOperation" {
		late = true
		out, err = api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id})
	}
	if err != nil {
		return "", late, err
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
	if err != nil {
		return "", late, fmt.Errorf("decode the console of %s: %w", id, err)
	}
	return string(raw), late, nil
}
