package trust

import (
	"crossring/internal/pki/verbs"

	"crossring/internal/cluster"
)

// PKI are the verbs of CAs, certificates and TLS servers.
func PKI(w cluster.World) verbs.Verbs { return verbs.Verbs{Now: w.Now, Say: w.Say, Stage: w.Stage} }
