package chain

// Codes of OpenSSL 3 (x509_vfy.h).
const (
	codeNoIssuer                   = 2
	codeNoCRL                      = 3
	codeSignatureFailure           = 7
	codeCRLSignature               = 8
	codeNotYetValid                = 9
	codeExpired                    = 10
	codeCRLNotYetValid             = 11
	codeCRLExpired                 = 12
	codeDepthZeroSelfSigned        = 18
	codeSelfSignedInChain          = 19
	codeNoIssuerLocally            = 20
	codeLeafSignature              = 21
	codeRevoked                    = 23
	codePathLength                 = 25
	codeInvalidPurpose             = 26
	codeSubjectIssuerMismatch      = 29
	codeAKIDSKIDMismatch           = 30
	codeAKIDIssuerSerialMismatch   = 31
	codeNoCertSign                 = 32
	codeUnhandledCritical          = 34
	codePermitted                  = 47
	codeExcluded                   = 48
	codeHostnameMismatch           = 62
	codeIPMismatch                 = 64
	codeEEKeyTooSmall              = 66
	codeCAKeyTooSmall              = 67
	codeCAMDTooWeak                = 68
	codeSignatureAlgorithmMismatch = 76
	codeInvalidCA                  = 79
)

// code is what is known of an error.
type code struct{ name, message, hint string }

// codes gives names (X509_V_ERR_ left off), OpenSSL's own words, and what to do.
func codes() map[int]code {
	return map[int]code{
		codeNoIssuer: {"UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate",
			"add the root to the trust store: an intermediate alone is an anchor to Java, and to OpenSSL only with -partial_chain"},
		codeNoCRL: {"UNABLE_TO_GET_CRL", "unable to get certificate CRL", "ask the CA for its current revocation list, and name it with --crl"},
		codeSignatureFailure: {"CERT_SIGNATURE_FAILURE", "certificate signature failure",
			"the certificate was damaged, or its issuer has another key under the same name: ask the CA for it again"},
		codeCRLSignature:   {"CRL_SIGNATURE_FAILURE", "CRL signature failure", "ask the CA for its current revocation list"},
		codeNotYetValid:    {"CERT_NOT_YET_VALID", "certificate is not yet valid", "check the clocks; ask the CA to back-date notBefore by an hour"},
		codeExpired:        {"CERT_HAS_EXPIRED", "certificate has expired", "renew it: crossring pki renew NAME"},
		codeCRLNotYetValid: {"CRL_NOT_YET_VALID", "CRL is not yet valid", "check the clocks"},
		codeCRLExpired:     {"CRL_HAS_EXPIRED", "CRL has expired", "ask the CA for its current revocation list"},
		codeDepthZeroSelfSigned: {"DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate",
			"no CA issued this: ask for one of the CA that the trust store has"},
		codeSelfSignedInChain: {"SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain",
			"the root came with the chain, and is not trusted: put it into the trust store, if it is the right one"},
		codeNoIssuerLocally: {"UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate",
			"send the whole chain, leaf first, or trust the CA; if a CA of that very name is trusted, its key is another one"},
		codeLeafSignature:  {"UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate", "send the whole chain, leaf first"},
		codeRevoked:        {"CERT_REVOKED", "certificate revoked", "issue a new one: crossring pki issue NAME"},
		codePathLength:     {"PATH_LENGTH_EXCEEDED", "path length constraint exceeded", "ask the CA above for a greater pathlen, or issue from the CA itself"},
		codeInvalidPurpose: {"INVALID_PURPOSE", "unsuitable certificate purpose", "ask the CA for serverAuth and clientAuth, with digitalSignature: a node is both server and client"},
		codeSubjectIssuerMismatch: {"SUBJECT_ISSUER_MISMATCH", "subject issuer mismatch",
			"this certificate did not issue the one below it: its name is another"},
		codeAKIDSKIDMismatch:         {"AKID_SKID_MISMATCH", "authority and subject key identifier mismatch", "a CA of the right name with another key: trust the one that really issued"},
		codeAKIDIssuerSerialMismatch: {"AKID_ISSUER_SERIAL_MISMATCH", "authority and issuer serial number mismatch", "the CA's certificate was renewed: use the one that the leaf names"},
		codeNoCertSign:               {"KEYUSAGE_NO_CERTSIGN", "key usage does not include certificate signing", "ask for a CA certificate with keyCertSign"},
		codeUnhandledCritical: {"UNHANDLED_CRITICAL_EXTENSION", "unhandled critical extension",
			"ask the CA to leave the extension out, or not to mark it critical"},
		codePermitted:        {"PERMITTED_VIOLATION", "permitted subtree violation", "the CA may not issue for this name: ask one that may"},
		codeExcluded:         {"EXCLUDED_VIOLATION", "excluded subtree violation", "the CA may not issue for this name: ask one that may"},
		codeHostnameMismatch: {"HOSTNAME_MISMATCH", "hostname mismatch", "ask the CA for this name as a DNS alternative name"},
		codeIPMismatch:       {"IP_ADDRESS_MISMATCH", "IP address mismatch", "ask the CA for public and private address as IP alternative names: DNS names don't do, nor does the common name"},
		codeEEKeyTooSmall:    {"EE_KEY_TOO_SMALL", "EE certificate key too weak", "make a new key: ECDSA P-256, or RSA of 2048 bits"},
		codeCAKeyTooSmall:    {"CA_KEY_TOO_SMALL", "CA certificate key too weak", "the CA needs a new key: ECDSA P-256, or RSA of 2048 bits"},
		codeCAMDTooWeak:      {"CA_MD_TOO_WEAK", "CA signature digest algorithm too weak", "ask the CA to sign with SHA-256"},
		codeSignatureAlgorithmMismatch: {"SIGNATURE_ALGORITHM_MISMATCH", "subject signature algorithm and issuer public key algorithm mismatch",
			"a CA of the right name with a key of another kind: trust the one that really issued"},
		codeInvalidCA: {"INVALID_CA", "invalid CA certificate", "ask for a CA certificate with basicConstraints CA:TRUE and keyCertSign; a node's own can't issue others"},
	}
}

func problem(depth, number int, subject, detail string) Problem {
	c := codes()[number]
	message := c.message
	if detail != "" {
		message += ": " + detail
	}
	return Problem{Depth: depth, Code: number, Name: c.name, Subject: subject, Message: message, Hint: c.hint}
}
