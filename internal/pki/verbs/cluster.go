package verbs

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// Roles in which a node is dialled.
const (
	RoleNode   = "node"   // by another node
	RoleClient = "client" // by a client of its own region
)

// Way is how one node of a cluster is dialled from somewhere.
type Way struct {
	Node, Region         string // that is dialled
	FromRegion, FromNode string // FromNode is the node that dials, or that the client is beside
	Role                 string
	Address              string // HOST:PORT that is dialled
	IP                   string // that the side that dials looks for in the certificate
	Dial                 wire.Dial
	// Shows is whose certificate is shown; "" is none, since its key is not here.
	Shows    string
	Identity tls.Certificate
}

// WayResult is what came of one.
type WayResult struct {
	Node       string `json:"node"`
	Region     string `json:"region"`
	FromRegion string `json:"from_region"`
	FromNode   string `json:"from_node"`
	Role       string `json:"role"`
	Address    string `json:"address"`
	IP         string `json:"ip"`
	Shown      string `json:"shown"` // whose certificate; "" is none, since its key is on another machine
	// Reached is false where nobody answered: nothing is known of the certificate then.
	Reached bool `json:"reached"`
	chain.Report
	Served     []Certificate  `json:"served"`
	Order      []string       `json:"order"`
	Judges     []java.Verdict `json:"judges"`
	Connection *wire.Seen     `json:"connection"`

	ofChain []chain.Problem // the errors without what the other side said
}

// WrongNode is one thing that is wrong with a node, and from where that was seen.
type WrongNode struct {
	Node    string   `json:"node"`
	Depth   int      `json:"depth"` // of the certificate; 0 is the node's own
	Code    int      `json:"code"`
	Name    string   `json:"name"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
	From    []string `json:"from"` // regions
}

// ClusterVerifyResult is the answer about all nodes of a cluster.
type ClusterVerifyResult struct {
	Schema  string      `json:"schema"`
	Cluster string      `json:"cluster"`
	OK      bool        `json:"ok"`
	Wrong   []WrongNode `json:"wrong"`
	// Unreached are the nodes that nobody reached, from the regions named.
	Unreached []WrongNode `json:"unreached"`
	Ways      []WayResult `json:"ways"`
	// FirstEnds is when the first of the certificates that were served ends; null when none was.
	FirstEnds *time.Time `json:"first_ends"`
}

// waysAtOnce is how many connections are made at a time.
const waysAtOnce = 16

// VerifyWays verifies what the nodes of a cluster show to those who dial them, and says
// which node is wrong, as seen from which regions. roots is the file of what is trusted.
func (w Verbs) VerifyWays(ctx context.Context, cluster, roots string, at time.Time, ways []Way) (ClusterVerifyResult, error) {
	res := ClusterVerifyResult{Schema: topology.Schema, Cluster: cluster, Wrong: []WrongNode{}, Unreached: []WrongNode{}}
	if at.IsZero() {
		at = w.Now()
	}
	var err error
	res.Ways, err = many.Map(ctx, ways, waysAtOnce, func(ctx context.Context, way Way) (WayResult, error) {
		return w.verifyWay(ctx, roots, at, way), context.Cause(ctx)
	})
	if err != nil {
		return res, context.Cause(ctx)
	}
	for _, way := range res.Ways {
		for _, c := range way.Served {
			if c.Depth == 0 && (res.FirstEnds == nil || c.NotAfter.Before(*res.FirstEnds)) {
				end := c.NotAfter
				res.FirstEnds = &end
			}
		}
	}
	res.blame()
	res.OK = len(res.Wrong) == 0 && len(res.Unreached) == 0
	return res, res.err()
}

// verifyWay dials once.
func (w Verbs) verifyWay(ctx context.Context, roots string, at time.Time, way Way) WayResult {
	cfg := &tls.Config{}
	purpose := chain.Server
	if way.Role == RoleNode {
		// In TLS 1.2 the handshake itself says whether the node takes the certificate that
		// it is shown. In 1.3 it would have to be spoken to, in a protocol of its own.
		purpose, cfg.MaxVersion = chain.Internode, tls.VersionTLS12
	}
	if way.Shows != "" {
		// Also where the node says that it knows other CAs: that is what is to be found.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &way.Identity, nil }
	}
	got, err := w.VerifyServer(ctx, VerifyRequest{Leaf: way.Address, Roots: []string{roots}, Purpose: purpose, IP: way.IP, At: at}, way.Dial, cfg)
	res := WayResult{
		Node: way.Node, Region: way.Region, FromRegion: way.FromRegion, FromNode: way.FromNode, Role: way.Role, Address: way.Address, IP: way.IP,
		Shown: way.Shows, Reached: !wire.Unreached(err), Report: got.Report, Served: got.Served, Order: got.Order, Judges: got.Judges, Connection: got.Connection, ofChain: got.ofChain,
	}
	if way.Shows == "" { // that a node wants to see one is as it has to be
		res.Warnings = slices.DeleteFunc(res.Warnings, func(w chain.Warning) bool { return w.Message == needsCertificate(way.Address) })
	}
	return res
}

// blame says who is wrong. A node that refuses a certificate is right where that is no
// good, and wrong where it is.
func (r *ClusterVerifyResult) blame() {
	bad := map[string]bool{}
	for _, way := range r.Ways {
		if len(way.ofChain) > 0 {
			bad[way.Node] = true
		}
	}
	for _, way := range r.Ways {
		if !way.Reached {
			r.Unreached = note(r.Unreached, way.Node, way.FromRegion, way.Errors[0])
			continue
		}
		for _, p := range way.ofChain {
			r.Wrong = note(r.Wrong, way.Node, way.FromRegion, p)
		}
		for _, p := range way.Errors[len(way.ofChain):] {
			refused := way.Connection != nil && way.Connection.Taken != nil && !*way.Connection.Taken
			switch {
			case refused && bad[way.Shown]:
				// It was found already where the node itself was dialled.
			case refused:
				p.Message = "it does not take certificates of other nodes that are good"
				p.Hint = "crossring pki rotate " + plain.Word(r.Cluster) + "   # writes ca.pem or ca.jks, which is what the node trusts, anew"
				r.Wrong = note(r.Wrong, way.Node, way.FromRegion, p)
			default:
				r.Wrong = note(r.Wrong, way.Node, way.FromRegion, p)
			}
		}
	}
}

// note adds what is wrong with a node, or a region that sees the same.
func note(list []WrongNode, node, region string, p chain.Problem) []WrongNode {
	// Of what OpenSSL knows, the address that is looked for may be another one from elsewhere.
	i := slices.IndexFunc(list, func(w WrongNode) bool {
		return w.Node == node && w.Depth == p.Depth && w.Code == p.Code && (w.Message == p.Message || p.Code != chain.Own)
	})
	if i < 0 {
		list = append(list, WrongNode{Node: node, Depth: p.Depth, Code: p.Code, Name: p.Name, Message: p.Message, Hint: p.Hint, From: []string{}})
		i = len(list) - 1
	}
	if !slices.Contains(list[i].From, region) {
		list[i].From = append(list[i].From, region)
	}
	return list
}

// err names the nodes that are wrong, or that were not reached.
func (r *ClusterVerifyResult) err() error {
	names := func(list []WrongNode) string {
		var all []string
		for _, w := range list {
			if !slices.Contains(all, w.Node) {
				all = append(all, w.Node)
			}
		}
		return strings.Join(all, ", ")
	}
	switch hint := "crossring pki rotate " + plain.Word(r.Cluster) + "   # new certificates for all nodes"; {
	case len(r.Wrong) > 0:
		return &fail.Error{Code: fail.ExitFailure, Hint: hint, Err: fmt.Errorf("certificates of %s: %s; the first is %d %s, seen from %s: %s",
			r.Cluster, names(r.Wrong), r.Wrong[0].Code, r.Wrong[0].Name, strings.Join(r.Wrong[0].From, " and "), r.Wrong[0].Message)}
	case len(r.Unreached) == 0:
		return nil
	case !slices.ContainsFunc(r.Ways, func(w WayResult) bool { return w.Reached }):
		return fail.Prerequisite("", fmt.Errorf("no node of %s was reached, so nothing is known of their certificates: %s", r.Cluster, r.Unreached[0].Message), "crossring status "+plain.Word(r.Cluster))
	}
	return fail.Partial("", fmt.Errorf("%s: not reached from %s, so nothing is known of the certificate there: %s",
		names(r.Unreached), strings.Join(r.Unreached[0].From, " and "), r.Unreached[0].Message), "crossring status "+plain.Word(r.Cluster))
}
