package run

import (
	"crypto/x509"
	"path/filepath"
	"time"

	"crossring/internal/pki"
)

// expiring warns of certificates that end within a month, of those that have, and of
// a rotation that has not ended.
func (w World) expiring(c cluster) {
	if c.inv.Plan.TLS == nil {
		return
	}
	name := c.inv.Plan.Name
	again := w.Command("pki", "rotate", name)
	if r, err := readRotation(c.dir); err == nil && r != nil {
		w.Say("warning: the certificates are being rotated since %s, and that has not ended: %s", r.Started.Format(time.DateTime), again)
		return
	}
	d, err := pki.Open(filepath.Join(c.dir, authorityDir), "")
	if err != nil {
		return // not made yet
	}
	if root, err := d.Root(); err == nil && w.warnExpiry("the CA", root, again+" --ca", again+" --ca") {
		return // it ends before whatever it signs
	}
	for _, who := range append([]string{clientName}, nodeNames(c.inv.Nodes)...) {
		if _, cert, err := d.Latest(who); err == nil {
			w.warnExpiry("the certificate of "+who, cert, again, w.Command("restart", name))
		}
	}
}

// warnExpiry says that a certificate ends soon, or has ended, with the command that
// replaces it then, and whether it said so.
func (w World) warnExpiry(whose string, cert *x509.Certificate, soon, late string) bool {
	end := cert.NotAfter.UTC().Format(time.DateOnly)
	switch left := cert.NotAfter.Sub(w.Now()); {
	case left <= 0:
		w.Say("warning: %s expired on %s: %s", whose, end, late)
	case left < expiryWarning:
		w.Say("warning: %s expires on %s: %s", whose, end, soon)
	default:
		return false
	}
	return true
}
