package plan

import (
	"cmp"
	"strings"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// tls is what the spec's block says, with the kind of key that the release can use in
// its suites.
func (b *builder) tls(rel release.Release) *topology.TLSPlan {
	t := b.spec.TLS
	if t == nil || !*t.Internode && !*t.Client {
		return nil
	}
	p := &topology.TLSPlan{Internode: *t.Internode, Client: *t.Client, Key: cmp.Or(t.Key, rel.TLSKey), Days: t.Days, Name: t.Name, CA: t.CA, CAPassphraseFile: t.CAPassphraseFile, Trust: t.Trust}
	if rsa := "rsa-"; strings.HasPrefix(rel.TLSKey, rsa) && !strings.HasPrefix(p.Key, rsa) {
		b.problem("tls.key", "is %s, and Cassandra %s has suites for RSA alone: %s or rsa-3072", p.Key, rel.Version, rel.TLSKey)
	}
	return p
}
