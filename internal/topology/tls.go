package topology

import "path"

// TLSPlan says what is encrypted, and what certificates are like.
type TLSPlan struct {
	Internode bool   `json:"internode"` // between nodes
	Client    bool   `json:"client"`    // CQL
	Key       string `json:"key"`       // kind of the nodes' keys
	Days      int    `json:"days"`      // life of the nodes' certificates
	Name      string `json:"name"`      // template of their distinguished names
	// CA is the directory of the CA that signs; "" is the cluster's own.
	CA               string `json:"ca,omitempty"`
	CAPassphraseFile string `json:"ca_passphrase_file,omitempty"`
	// Trust is the file of the root under which certificates are signed elsewhere; "" is
	// that they are not.
	Trust string `json:"trust,omitempty"`
}

// InternodeTLS says whether nodes speak TLS with each other.
func (p Plan) InternodeTLS() bool { return p.TLS != nil && p.TLS.Internode }

// ClientTLS says whether clients speak TLS with nodes.
func (p Plan) ClientTLS() bool { return p.TLS != nil && p.TLS.Client }

// InternodePort is the port that a node's peers connect to: that of TLS where
// nodes speak it and the release has one of its own.
func (p Plan) InternodePort(n Node) int {
	if p.InternodeTLS() && n.Ports.SSLStorage != 0 {
		return n.Ports.SSLStorage
	}
	return n.Ports.Storage
}

// TLSDir is where a node's keys and certificates are.
func (l Layout) TLSDir() string { return path.Join(l.Conf, "tls") }
