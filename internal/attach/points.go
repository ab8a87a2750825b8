// Package attach makes a plan of a cluster that somebody else made, from what its nodes say
// of themselves and of each other.
package attach

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Provider is the name of whoever made such a cluster, in its plan.
const Provider = "attached"

// DefaultPort is that of CQL.
const DefaultPort = 9042

// Point is where a node is asked: a contact point, or where a cluster says that one is.
type Point struct {
	Host string // address, or a name that stands for some
	Port int
}

// String is the point as it is typed; an address of IPv6 is in brackets.
func (p Point) String() string {
	if strings.Contains(p.Host, ":") {
		return "[" + p.Host + "]:" + strconv.Itoa(p.Port)
	}
	return p.Host + ":" + strconv.Itoa(p.Port)
}

// ParsePoints reads contact points, A[:PORT],B …; an address of IPv6 with a port is in
// brackets. What is wrong is in one error for each.
func ParsePoints(list []string) (points []Point, problems []error) {
	seen := map[Point]bool{}
	for _, text := range strings.Split(strings.Join(list, ","), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		p, err := parsePoint(text)
		if err != nil {
			problems = append(problems, err)
		} else if !seen[p] {
			seen[p] = true
			points = append(points, p)
		}
	}
	if len(points)+len(problems) == 0 {
		problems = append(problems, fmt.Errorf("no contact point is named: address, or address:port"))
	}
	return points, problems
}

func parsePoint(text string) (Point, error) {
	p := Point{Host: text, Port: DefaultPort}
	port := ""
	switch inner, closed := strings.CutPrefix(text, "["); {
	case closed:
		host, rest, ok := strings.Cut(inner, "]")
		after, colon := strings.CutPrefix(rest, ":")
		if !ok || rest != "" && !colon {
			return p, fmt.Errorf("contact point %q is not [ADDRESS]:PORT", text)
		}
		p.Host, port = host, after
		if colon && port == "" {
			return p, fmt.Errorf("contact point %q has no port behind the colon", text)
		}
	case strings.Count(text, ":") == 1:
		p.Host, port, _ = strings.Cut(text, ":")
		if port == "" {
			return p, fmt.Errorf("contact point %q has no port behind the colon", text)
		}
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 || port[0] == '+' {
			return p, fmt.Errorf("contact point %q: %q is no port from 1 to 65535", text, port)
		}
		p.Port = n
	}
	ip, err := netip.ParseAddr(p.Host)
	switch {
	case err == nil && ip.Zone() != "":
		return p, fmt.Errorf("contact point %q has a zone, which is no part of a node's address", text)
	case err == nil && ip.IsUnspecified():
		return p, fmt.Errorf("contact point %q is an address to listen on, not one to connect to", text)
	case err == nil:
		p.Host = ip.String()
	case !isName(p.Host):
		return p, fmt.Errorf("contact point %q is neither an address nor the name of a computer", text)
	}
	return p, nil
}

// isName says whether a text may be the name of a computer. One of digits and points alone
// was to be an address.
func isName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// ParseReplication reads replicas by datacenter, DC=N each.
func ParseReplication(list []string) (map[string]int, []error) {
	factors := map[string]int{}
	var problems []error
	for _, text := range list {
		at := strings.LastIndexByte(text, '=')
		if at < 1 {
			problems = append(problems, fmt.Errorf("%q is not DATACENTER=REPLICAS", text))
			continue
		}
		dc := text[:at]
		n, err := strconv.Atoi(text[at+1:])
		if _, twice := factors[dc]; twice {
			problems = append(problems, fmt.Errorf("%q: datacenter %s is named twice", text, dc))
			continue
		}
		if err != nil || n < 0 {
			problems = append(problems, fmt.Errorf("%q: %q is no number of replicas", text, text[at+1:]))
			continue
		}
		factors[dc] = n
	}
	return factors, problems
}
