package run

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"crossring/internal/deploy/sshhost"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// consoleWait is how long the console of an instance that was made just now may take to
// show its host keys: Nitro instances take up to two minutes. Others keep what they show
// for later, and are asked once.
const consoleWait = 2 * time.Minute

// holdHostKeys puts the host keys of EC2's instances where SSH finds them, before it
// first connects: as the instances printed them on their consoles, which nobody between
// here and them can change. Of one that does not show them in time, the key that it
// shows first is held.
func (w World) holdHostKeys(ctx context.Context, c cluster) error {
	if c.place.Cloud == nil {
		return nil
	}
	file := filepath.Join(c.inv.Remote.Dir, state.KnownHosts)
	var fresh []topology.Node
	for _, n := range c.inv.Nodes {
		if n.Host == nil {
			continue
		}
		held, err := sshhost.Held(file, n.Host.Address, n.Host.Port)
		if err != nil {
			return err
		}
		if !held {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return w.stage("host keys from the consoles of the instances", func() error {
		wait, cancel := context.WithTimeout(ctx, consoleWait)
		defer cancel()
		outputs, err := c.place.Cloud.Console(wait, c.inv, fresh, sshhost.ConsoleDone)
		if ctx.Err() != nil {
			return fmt.Errorf("reading the consoles: %w", context.Cause(ctx))
		}
		if err != nil {
			w.Log.Warn("host keys", "err", err) // the account may not be allowed to
		}
		for _, n := range fresh {
			keys := sshhost.ConsoleKeys(outputs[n.Name])
			if len(keys) == 0 {
				w.Say("%s shows no host key on its console yet: the one it shows first is held", n.Name)
				continue
			}
			if err := sshhost.Hold(file, n.Host.Address, n.Host.Port, keys); err != nil {
				return err
			}
		}
		return nil
	})
}
