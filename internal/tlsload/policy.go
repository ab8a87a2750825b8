// Package tlsload makes requests to a server over TLS, under policies that say how long
// connections live, and counts what each of them costs: TCP flows, handshakes, processor
// time on both sides, and time. It trusts what the configuration that it is given trusts,
// on every connection.
package tlsload

import (
	"errors"
	"fmt"
	"strings"

	"crossring/stress"
)

// Policy says how long sessions live, and whether a new connection may go on from the
// TLS session of an earlier one.
type Policy struct {
	stress.Policy
	Resume bool
}

const resumeMark = "+resume"

// String is the policy as ParsePolicies reads it.
func (p Policy) String() string {
	if p.Resume {
		return p.Policy.String() + resumeMark
	}
	return p.Policy.String()
}

// ParsePolicies reads a list such as "shared,per-request,renew:50req,10m,renew:5s": a
// limit that follows one of renew belongs to it. "+resume" behind a policy resumes TLS
// sessions.
func ParsePolicies(text string) ([]Policy, error) {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		last := len(parts) - 1
		if last >= 0 && strings.HasPrefix(parts[last], "renew:") && !strings.HasSuffix(parts[last], resumeMark) && part != "" && part[0] >= '0' && part[0] <= '9' {
			parts[last] += "," + part
			continue
		}
		parts = append(parts, part)
	}
	var all []Policy
	seen := map[string]bool{}
	for _, part := range parts {
		if part == "" || part == resumeMark {
			return nil, fmt.Errorf("a policy is missing in %q", text)
		}
		name, resume := strings.CutSuffix(part, resumeMark)
		one, err := stress.ParsePolicy(name)
		if err != nil {
			return nil, err
		}
		p := Policy{one, resume}
		if seen[p.String()] {
			return nil, fmt.Errorf("the policy %s is there twice", p)
		}
		seen[p.String()] = true
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no policy")
	}
	return all, nil
}
