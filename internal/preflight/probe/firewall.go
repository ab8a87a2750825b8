package probe

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"crossring/internal/preflight"
)

// readFirewall has the machine's tools print its rules, which needs root's rights.
// Neither being there is no firewall.
func readFirewall(ctx context.Context) preflight.Firewall {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var f preflight.Firewall
	var problems []string
	read := func(name string, args ...string) string {
		// Not on every login's path.
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if errors.Is(err, exec.ErrNotFound) || err != nil {
			return ""
		}
		out, err := exec.CommandContext(ctx, path, args...).Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) && len(exit.Stderr) > 0 {
				err = errors.New(strings.TrimSpace(string(exit.Stderr)))
			}
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
			return ""
		}
		return string(out)
	}
	f.NFT = read("nft", "-j", "list", "ruleset")
	f.IPTables = read("iptables-save")
	f.Problem = strings.Join(problems, "; ")
	return f
}
