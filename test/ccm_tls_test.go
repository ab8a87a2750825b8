package test

import (
	"strconv"
	"testing"

	"crossring/internal/pki/verbs"
	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/report"
	"crossring/internal/trust"
)

// TestCCMRotates has nodes by ccm with TLS, of which two are in one region, and gives them
// new certificates and another CA.
func TestCCMRotates(t *testing.T) {
	needLong(t)
	beside(t, 3, ccmAddresses)
	ccm := venv(t, ccmVersion)
	for _, version := range []string{newest, releasetest.Of("3.11"), releasetest.Of("2.2")} {
		t.Run(version, func(t *testing.T) {
			rel, err := release.Find(version)
			if err != nil {
				t.Fatal(err)
			}
			h := newHome(t)
			c := h.up(t, "ccmtls", ccmSpec("ccmtls", version, ccm, []int{2, 1}, "")+"tls: {}\n")
			inv, _ := h.inventory(t, c.name)
			before := h.ccmServers(t, inv)
			verified := func() {
				t.Helper()
				if got := decode[verbs.ClusterVerifyResult](t, h.must(t, "pki", "verify", c.name, "-o", "json")); !got.OK || len(got.Ways) == 0 {
					t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
				}
			}
			verified()
			for _, flags := range [][]string{nil, {"--ca"}} {
				got := decode[trust.RotateResult](t, h.must(t, append([]string{"pki", "rotate", c.name, "-o", "json"}, flags...)...))
				if !got.Done || (got.Method == "reload") != rel.HotReload || got.CA != (flags != nil) {
					t.Errorf("%+v", got)
				}
				verified()
			}
			for i, server := range h.ccmServers(t, inv) {
				if (server == before[i]) != rel.HotReload {
					t.Errorf("%s is now %s", before[i], server)
				}
			}
			const rows = 1000
			doc := decode[report.Document](t, h.must(t, "repro", c.name, "--rows", strconv.Itoa(rows), "-o", "json"))
			if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
				t.Errorf("%+v, %+v", doc.Write, doc.Read)
			}
			h.must(t, "down", c.name)
			h.nothingOfCCM(t, inv)
		})
	}
}
