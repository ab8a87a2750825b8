package trust

import (
	"crypto/x509"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/pki"
)

// Expiring warns of certificates that end within a month, of those that have, and of
// a rotation that has not ended.
func Expiring(w cluster.World, c cluster.Cluster) {
	if c.Inv.Plan.TLS == nil {
		return
	}
	name := c.Inv.Plan.Name
	again := w.Command("pki", "rotate", name)
	if r, err := readRotation(c.Dir); err == nil && r != nil {
		w.Say("warning: the certificates are being rotated since %s, and that has not ended: %s", r.Started.Format(time.DateTime), again)
		return
	}
	d, err := pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), "")
	if err != nil {
		return // not made yet
	}
	if root, err := d.Root(); err == nil && warnExpiry(w, "the CA", root, renewRoot(c.Inv.Plan, again+" --ca"), renewRoot(c.Inv.Plan, again+" --ca")) {
		return // it ends before whatever it signs
	}
	for _, who := range append([]string{cluster.ClientName}, nodeNames(c.Inv.Nodes)...) {
		if _, cert, err := d.Latest(who); err == nil {
			warnExpiry(w, "the certificate of "+who, cert, again, w.Command("restart", name))
		}
	}
}

// warnExpiry says that a certificate ends soon, or has ended, with the command that
// replaces it then, and whether it said so.
func warnExpiry(w cluster.World, whose string, cert *x509.Certificate, soon, late string) bool {
	end := cert.NotAfter.UTC().Format(time.DateOnly)
	switch left := cert.NotAfter.Sub(w.Now()); {
	case left <= 0:
		w.Say("warning: %s expired on %s: %s", whose, end, late)
	case left < cluster.ExpiryWarning:
		w.Say("warning: %s expires on %s: %s", whose, end, soon)
	default:
		return false
	}
	return true
}
