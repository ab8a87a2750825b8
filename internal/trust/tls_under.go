package trust

import (
	"context"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// underOf is the CA elsewhere that signs for a cluster; nil is that it has its own.
func underOf(p topology.Plan) *pki.Under {
	if p.TLS == nil || p.TLS.CA == "" {
		return nil
	}
	return &pki.Under{Dir: p.TLS.CA, PassphraseFile: p.TLS.CAPassphraseFile, As: p.Name}
}

// AuthorityReady says, before anything is made, why the CA that a plan names can't sign.
func AuthorityReady(ctx context.Context, w cluster.World, p topology.Plan) error {
	under := underOf(p)
	if under == nil {
		if p.TLS == nil || p.TLS.Trust == "" {
			return nil
		}
		if _, err := pki.ReadTrust(p.TLS.Trust, w.Now()); err != nil {
			return fail.Prerequisite("tls.trust", err, "tls: {trust: ROOT.pem}   # in the spec")
		}
		return nil
	}
	if err := under.Check(ctx, w.Now()); err != nil {
		return fail.Prerequisite("tls.ca", err, "")
	}
	return nil
}

// renewRoot is the command that renews the CA of a cluster.
func renewRoot(p topology.Plan, own string) string {
	if p.TLS.CA == "" {
		return own
	}
	return plain.Command("crossring", "pki", "renew", "--root", "--dir", p.TLS.CA)
}
