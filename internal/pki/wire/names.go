package wire

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// NameError says that there is no TLS version or cipher suite of a name.
type NameError struct {
	What, Name string
	Known      []string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%q is no %s that this program has; there are %s", e.Name, e.What, strings.Join(e.Known, ", "))
}

// Version reads a version by name: "1.2", "TLSv1.2" as Java has it, "TLS 1.2".
func Version(name string) (uint16, error) {
	known := []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	plain := strings.TrimLeft(strings.TrimPrefix(strings.ToUpper(name), "TLS"), "V ")
	if plain == "1" {
		plain = "1.0"
	}
	e := &NameError{What: "TLS version", Name: name}
	for _, v := range known {
		full := tls.VersionName(v)
		if strings.TrimPrefix(full, "TLS ") == plain {
			return v, nil
		}
		e.Known = append(e.Known, full)
	}
	return 0, e
}

// openssl names the suites of TLS 1.2 and before as OpenSSL does, by their IANA
// names.
func openssl() map[string]string {
	return map[string]string{
		"ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
		"AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
		"AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA", "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
		"ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
		"ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
	}
}

// Suites reads cipher suites by their IANA names or OpenSSL's. Those of TLS 1.3
// cannot be chosen: every server has all that matter, and Go's client takes the
// best; naming one is an error, as is mixing them with version 1.3.
func Suites(names []string) ([]uint16, error) {
	var ids []uint16
	all := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	for _, name := range names {
		iana := strings.ToUpper(name)
		if n, ok := openssl()[iana]; ok {
			iana = n
		}
		i := slices.IndexFunc(all, func(s *tls.CipherSuite) bool { return s.Name == iana })
		if i < 0 {
			e := &NameError{What: "cipher suite", Name: name}
			for _, s := range all {
				if !only13(s) {
					e.Known = append(e.Known, s.Name)
				}
			}
			return nil, e
		}
		if only13(all[i]) {
			return nil, fmt.Errorf("cipher suite %s is of TLS 1.3, where suites are not chosen one by one: choose the version 1.3 instead", name)
		}
		ids = append(ids, all[i].ID)
	}
	return ids, nil
}

// Groups reads groups of the key exchange by name: IANA's, such as secp256r1 and
// X25519MLKEM768, OpenSSL's, such as prime256v1, or Go's, such as P-256.
func Groups(names []string) ([]tls.CurveID, error) {
	all := []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	others := map[string]tls.CurveID{"SECP256R1": tls.CurveP256, "PRIME256V1": tls.CurveP256, "SECP384R1": tls.CurveP384, "SECP521R1": tls.CurveP521}
	var ids []tls.CurveID
	for _, name := range names {
		id, ok := others[strings.ToUpper(name)]
		for _, g := range all {
			if strings.EqualFold(GroupName(g), name) || strings.EqualFold("P"+strings.TrimPrefix(GroupName(g), "P-"), name) {
				id, ok = g, true
			}
		}
		if !ok {
			e := &NameError{What: "group", Name: name}
			for _, g := range all {
				e.Known = append(e.Known, GroupName(g))
			}
			return nil, e
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// GroupName is a group's name: P-256 and the like, X25519, ffdhe2048; those that Go does
// not have are named as IANA does, or by their number.
func GroupName(id tls.CurveID) string {
	known := map[tls.CurveID]string{
		tls.CurveP256: "P-256", tls.CurveP384: "P-384", tls.CurveP521: "P-521", tls.X25519: "X25519", 30: "X448",
		26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1", 22: "secp256k1", 21: "secp224r1", 19: "secp192r1",
		31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13", 33: "brainpoolP512r1tls13", 41: "curveSM2",
		256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
		tls.X25519MLKEM768: "X25519MLKEM768", tls.SecP256r1MLKEM768: "SecP256r1MLKEM768", tls.SecP384r1MLKEM1024: "SecP384r1MLKEM1024",
	}
	if name, ok := known[id]; ok {
		return name
	}
	return fmt.Sprintf("group 0x%04x", uint16(id))
}

func only13(s *tls.CipherSuite) bool {
	return len(s.SupportedVersions) == 1 && s.SupportedVersions[0] == tls.VersionTLS13
}
