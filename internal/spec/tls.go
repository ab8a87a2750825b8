package spec

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// TLS is what the block tls asks for. Without CA crossring makes one for the cluster.
type TLS struct {
	Internode *bool  `json:"internode"` // nil is true, here and below
	Client    *bool  `json:"client"`
	Key       string `json:"key"` // kind of the nodes' keys; "" leaves it to the plan
	Days      int    `json:"days"`
	Name      string `json:"name"` // template of the nodes' distinguished names
	// CA is the directory of a CA that signs, as pki init makes it; CAPassphraseFile opens
	// its keys. Both are absolute when they come from a file.
	CA               string `json:"ca,omitempty"`
	CAPassphraseFile string `json:"ca_passphrase_file,omitempty"`
	// Trust is the file of the root under which certificates are signed elsewhere.
	Trust string `json:"trust,omitempty"`
}

// maxTLSDays is the life of the CA itself.
const maxTLSDays = 3650

var tlsKeys = []string{"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072"}

func (d *decoder) tls(n *yaml.Node, path string, s *Spec) {
	t := TLS{}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && d.plain(n, path) {
		s.TLS = &t // tls: and nothing below is the empty block
		return
	}
	group(
		field{"internode", truth(&t.Internode)},
		field{"client", truth(&t.Client)},
		field{"key", text(&t.Key)},
		field{"days", whole(&t.Days, 1)},
		field{"name", text(&t.Name)},
		field{"ca", text(&t.CA)},
		field{"ca_passphrase_file", text(&t.CAPassphraseFile)},
		field{"trust", text(&t.Trust)},
	)(d, n, path)
	s.TLS = &t
}

// truth reads true or false.
func truth(to **bool) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		if !d.kind(n, path, yaml.ScalarNode, "true or false") {
			return
		}
		v, err := strconv.ParseBool(n.Value)
		if n.ShortTag() != "!!bool" || err != nil {
			d.problem(path, "must be true or false, not %s", describe(n))
			return
		}
		*to = &v
	}
}

func defaultsTLS(t TLS) *TLS {
	yes := true
	if t.Internode == nil {
		t.Internode = &yes
	}
	if t.Client == nil {
		t.Client = &yes
	}
	def(&t.Days, 397)
	def(&t.Name, "CN={node},OU={region},O={cluster}")
	return &t
}

func checkTLS(s Spec, c checker) {
	t := s.TLS
	if t.Key != "" {
		c.oneOf("tls.key", t.Key, tlsKeys)
	}
	c.between("tls.days", int64(t.Days), 1, maxTLSDays)
	if t.CA != "" && t.Trust != "" {
		c.bad("tls.trust", "is for certificates that are signed elsewhere, and tls.ca names who signs: one of the two")
	}
	if t.CA == "" && t.CAPassphraseFile != "" {
		c.bad("tls.ca_passphrase_file", "is for tls.ca, the CA that it opens")
	}
	for _, key := range []string{"server_encryption_options", "client_encryption_options"} {
		if _, ok := s.Settings[key]; ok {
			c.bad("settings."+key, "belongs in tls")
		}
	}
}
