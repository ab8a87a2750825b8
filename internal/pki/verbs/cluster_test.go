package verbs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/fail"
)

// ringNode is a server that asks its peers for a certificate, as nodes do.
type ringNode struct {
	name, region string
	own          *issued
	trust        *issued
	address      string
}

// start serves until the test ends.
func (n *ringNode) start(t *testing.T, chain ...*issued) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n.address = l.Addr().String()
	pool := x509.NewCertPool()
	pool.AddCert(n.trust.cert)
	pair := n.pair(chain...)
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer c.Close()
				s := tls.Server(c, cfg)
				if s.Handshake() == nil {
					_, _ = io.Copy(io.Discard, s)
				}
			}()
		}
	}()
}

func (n *ringNode) pair(chain ...*issued) tls.Certificate {
	p := tls.Certificate{PrivateKey: n.own.key, Certificate: [][]byte{n.own.cert.Raw}}
	for _, c := range chain {
		p.Certificate = append(p.Certificate, c.cert.Raw)
	}
	return p
}

// TestVerifyWays has a ring of 2 + 2 nodes with one that is wrong, in each way that there
// is. That one is named, as seen from both regions, and no other.
func TestVerifyWays(t *testing.T) {
	m := newMint(t)
	dir := t.TempDir()
	root, foreign := m.ca("root", nil), m.ca("foreign", nil)
	trust := m.pem(dir, "ca.pem", false, root)
	for _, tt := range []struct {
		what string
		edit func(*ringNode)
		code int
	}{
		{"nothing", func(*ringNode) {}, 0},
		{"its address", func(n *ringNode) { n.own = m.leaf(root, names(nil, "10.9.9.9")) }, 64},
		{"its end", func(n *ringNode) { n.own = m.leaf(root, during(-10*day, -time.Hour)) }, 10},
		{"its birth", func(n *ringNode) { n.own = m.leaf(root, during(time.Hour, day)) }, 9},
		{"its CA", func(n *ringNode) { n.own = m.leaf(foreign) }, 20},
		{"its use", func(n *ringNode) { n.own = m.leaf(root, extended(asServer)) }, 26},
		{"what it trusts", func(n *ringNode) { n.trust = foreign }, 50},
	} {
		for wrong := range 4 {
			var nodes []*ringNode
			for i := range 4 {
				nodes = append(nodes, &ringNode{name: fmt.Sprintf("n%d", i), region: []string{"east", "west"}[i/2], own: m.leaf(root), trust: root})
			}
			tt.edit(nodes[wrong])
			for _, n := range nodes {
				n.start(t)
			}
			res, err := quiet().VerifyWays(t.Context(), "lab", trust, time.Time{}, ringWays(nodes))
			name := fmt.Sprintf("%s of n%d", tt.what, wrong)
			if tt.code == 0 {
				if err != nil || !res.OK || len(res.Wrong) != 0 || res.FirstEnds == nil {
					t.Errorf("%s: %+v, %v", name, res.Wrong, err)
				}
				for _, way := range res.Ways {
					if way.Connection.Taken == nil || !*way.Connection.Taken || !way.Connection.Resumed {
						t.Errorf("%s: %s from %s: %+v", name, way.Node, way.FromRegion, way.Connection)
					}
				}
				break
			}
			other := slices.ContainsFunc(res.Wrong, func(w WrongNode) bool { return w.Node != nodes[wrong].name })
			if len(res.Wrong) == 0 || other || res.OK || fail.CodeOf(err) != fail.ExitFailure {
				t.Errorf("%s: %+v, %v", name, res.Wrong, err)
				continue
			}
			w := res.Wrong[0]
			slices.Sort(w.From)
			if w.Node != nodes[wrong].name || w.Code != tt.code || !slices.Equal(w.From, []string{"east", "west"}) || !strings.Contains(err.Error(), w.Node) {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		}
	}
}

// ringWays dial each node from a node of each region.
func ringWays(nodes []*ringNode) []Way {
	var ways []Way
	for _, to := range nodes {
		seen := map[string]bool{}
		for _, from := range nodes {
			if from == to || seen[from.region] {
				continue
			}
			seen[from.region] = true
			ways = append(ways, Way{
				Node: to.name, Region: to.region, FromRegion: from.region, FromNode: from.name, Role: RoleNode, Address: to.address, IP: "127.0.0.1",
				Dial: (&net.Dialer{}).DialContext, Shows: from.name, Identity: from.pair(),
			})
		}
	}
	return ways
}

// Of a node that nobody reaches nothing is known, and the others are right all the same.
func TestVerifyWaysUnreached(t *testing.T) {
	m := newMint(t)
	root := m.ca("root", nil)
	trust := m.pem(t.TempDir(), "ca.pem", false, root)
	var nodes []*ringNode
	for i := range 4 {
		nodes = append(nodes, &ringNode{name: fmt.Sprintf("n%d", i), region: []string{"east", "west"}[i/2], own: m.leaf(root), trust: root})
		nodes[i].start(t)
	}
	ways := ringWays(nodes)
	lost := errors.New("the line is cut")
	cut := func(some func(Way) bool) []Way {
		all := slices.Clone(ways)
		for i := range all {
			if some(all[i]) {
				all[i].Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: lost}
				}
			}
		}
		return all
	}
	res, err := quiet().VerifyWays(t.Context(), "lab", trust, time.Time{}, cut(func(w Way) bool { return w.Node == "n3" && w.FromRegion == "east" }))
	if fail.CodeOf(err) != fail.ExitPartial || res.OK || len(res.Wrong) != 0 || len(res.Unreached) != 1 || res.Unreached[0].Node != "n3" || !slices.Equal(res.Unreached[0].From, []string{"east"}) {
		t.Errorf("from one region: %+v, %v", res, err)
	}
	res, err = quiet().VerifyWays(t.Context(), "lab", trust, time.Time{}, cut(func(Way) bool { return true }))
	if fail.CodeOf(err) != fail.ExitPrerequisite || res.OK || len(res.Unreached) != 4 || res.FirstEnds != nil {
		t.Errorf("from nowhere: %+v, %v", res, err)
	}
}
