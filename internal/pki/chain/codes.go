package chain

import "cmp"

// Codes of OpenSSL 3 (x509_vfy.h).
const (
	codeUnspecified                = 1
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
	codeRejected                   = 28
	codeSubjectIssuerMismatch      = 29
	codeAKIDSKIDMismatch           = 30
	codeAKIDIssuerSerialMismatch   = 31
	codeNoCertSign                 = 32
	codeUnhandledCritical          = 34
	codeNoCRLSign                  = 35
	codeCRLCritical                = 36
	codeProxy                      = 40
	codeCRLScope                   = 44
	codePermitted                  = 47
	codeExcluded                   = 48
	codeSubtreeMinMax              = 49
	codeApplication                = 50 // OpenSSL leaves it to applications
	codeConstraintType             = 51
	codeConstraintSyntax           = 52
	codeNameSyntax                 = 53
	codeHostnameMismatch           = 62
	codeIPMismatch                 = 64
	codeEEKeyTooSmall              = 66
	codeCAKeyTooSmall              = 67
	codeCAMDTooWeak                = 68
	codeOCSPFailed                 = 74
	codeOCSPUnknown                = 75
	codeSignatureAlgorithmMismatch = 76
	codeInvalidCA                  = 79
)

// code is what is known of an error. What to ask for may be another thing for a CA
// than for a leaf; ca is empty where it is not.
type code struct{ name, message, hint, ca string }

// codes gives names (X509_V_ERR_ left off), OpenSSL's own words, and what to do.
func codes() map[int]code {
	return map[int]code{
		codeUnspecified: {name: "UNSPECIFIED", message: "unspecified certificate verification error", hint: "ask for a CA with fewer name constraints, or a leaf with fewer names: nobody checks a million of them"},
		codeNoIssuer: {name: "UNABLE_TO_GET_ISSUER_CERT", message: "unable to get issuer certificate",
			hint: "add the root to the trust store: an intermediate alone is an anchor to Java, and to OpenSSL only with -partial_chain"},
		codeNoCRL: {name: "UNABLE_TO_GET_CRL", message: "unable to get certificate CRL", hint: "ask the CA for its current revocation list, and name it with --crl"},
		codeSignatureFailure: {name: "CERT_SIGNATURE_FAILURE", message: "certificate signature failure",
			hint: "the certificate was damaged, or its issuer has another key under the same name: ask the CA for it again",
			ca:   "the CA's certificate was damaged, or its issuer has another key under the same name: ask for the CA's certificate again"},
		codeCRLSignature: {name: "CRL_SIGNATURE_FAILURE", message: "CRL signature failure", hint: "ask the CA for its current revocation list"},
		codeNotYetValid: {name: "CERT_NOT_YET_VALID", message: "certificate is not yet valid", hint: "check the clocks; ask the CA to back-date notBefore by an hour",
			ca: "check the clocks: the CA's own certificate is not valid yet"},
		codeExpired: {name: "CERT_HAS_EXPIRED", message: "certificate has expired", hint: "renew it: crossring pki renew NAME",
			ca: "the CA itself has expired, and renewing the leaf does not help: ask for its new certificate, or make a new CA: crossring pki rotate NAME --ca"},
		codeCRLNotYetValid: {name: "CRL_NOT_YET_VALID", message: "CRL is not yet valid", hint: "check the clocks"},
		codeCRLExpired:     {name: "CRL_HAS_EXPIRED", message: "CRL has expired", hint: "ask the CA for its current revocation list"},
		codeDepthZeroSelfSigned: {name: "DEPTH_ZERO_SELF_SIGNED_CERT", message: "self-signed certificate",
			hint: "no CA issued this: ask for one of the CA that the trust store has"},
		codeSelfSignedInChain: {name: "SELF_SIGNED_CERT_IN_CHAIN", message: "self-signed certificate in certificate chain",
			hint: "the root came with the chain, and is not trusted: put it into the trust store, if it is the right one"},
		codeNoIssuerLocally: {name: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", message: "unable to get local issuer certificate",
			hint: "send the whole chain, leaf first, or trust the CA; if a CA of that very name is trusted, its key is another one"},
		codeLeafSignature: {name: "UNABLE_TO_VERIFY_LEAF_SIGNATURE", message: "unable to verify the first certificate", hint: "send the whole chain, leaf first"},
		codeRevoked: {name: "CERT_REVOKED", message: "certificate revoked", hint: "issue a new one: crossring pki issue NAME",
			ca: "the CA was revoked: everything below it needs certificates of another CA"},
		codePathLength: {name: "PATH_LENGTH_EXCEEDED", message: "path length constraint exceeded", hint: "ask the CA above for a greater pathlen, or issue from the CA itself"},
		codeInvalidPurpose: {name: "INVALID_PURPOSE", message: "unsuitable certificate purpose", hint: "ask the CA for serverAuth and clientAuth, with digitalSignature: a node is both server and client",
			ca: "an extended key usage binds what is below it: ask for a CA without one, or with serverAuth and clientAuth in it"},
		codeRejected: {name: "CERT_REJECTED", message: "certificate rejected", hint: "openssl x509 -in CA.pem -clrtrust -clrreject -out PLAIN.pem   # takes the setting away"},
		codeSubjectIssuerMismatch: {name: "SUBJECT_ISSUER_MISMATCH", message: "subject issuer mismatch",
			hint: "this certificate did not issue the one below it: its name is another"},
		codeAKIDSKIDMismatch: {name: "AKID_SKID_MISMATCH", message: "authority and subject key identifier mismatch",
			hint: "a CA of the right name with another key: trust the one that really issued"},
		codeAKIDIssuerSerialMismatch: {name: "AKID_ISSUER_SERIAL_MISMATCH", message: "authority and issuer serial number mismatch",
			hint: "the CA's certificate was renewed: use the one that the leaf names"},
		codeNoCertSign: {name: "KEYUSAGE_NO_CERTSIGN", message: "key usage does not include certificate signing", hint: "ask for a CA certificate with keyCertSign"},
		codeUnhandledCritical: {name: "UNHANDLED_CRITICAL_EXTENSION", message: "unhandled critical extension",
			hint: "ask the CA to leave the extension out, or not to mark it critical"},
		codeNoCRLSign: {name: "KEYUSAGE_NO_CRL_SIGN", message: "key usage does not include CRL signing", hint: "the CA may not sign lists: ask for a CA certificate with cRLSign"},
		codeCRLCritical: {name: "UNHANDLED_CRITICAL_CRL_EXTENSION", message: "unhandled critical CRL extension",
			hint: "the list means something that is not known here: ask the CA for a plain one"},
		codeProxy:    {name: "PROXY_CERTIFICATES_NOT_ALLOWED", message: "proxy certificates not allowed, please set the appropriate flag", hint: "ask the CA for a certificate of the node's own"},
		codeCRLScope: {name: "DIFFERENT_CRL_SCOPE", message: "different CRL scope", hint: "this list is about other certificates: ask the CA for the one that has this kind, or the whole"},
		codePermitted: {name: "PERMITTED_VIOLATION", message: "permitted subtree violation", hint: "the CA may not issue for this name: ask one that may",
			ca: "the CA above may not have a CA of this name below it: ask one that may"},
		codeExcluded: {name: "EXCLUDED_VIOLATION", message: "excluded subtree violation", hint: "the CA may not issue for this name: ask one that may",
			ca: "the CA above may not have a CA of this name below it: ask one that may"},
		codeSubtreeMinMax: {name: "SUBTREE_MINMAX", message: "name constraints minimum and maximum not supported", hint: "ask for a CA whose name constraints have neither minimum nor maximum"},
		codeApplication: {name: "APPLICATION_VERIFICATION", message: "crossring's own verdict", hint: "ask the CA for ECDSA P-256, or RSA of 2048 bits, signed with SHA-256",
			ca: "ask for a CA with a key of ECDSA P-256, or RSA of 2048 bits, signed with SHA-256"},
		codeConstraintType:   {name: "UNSUPPORTED_CONSTRAINT_TYPE", message: "unsupported name constraint type", hint: "nobody can check names of this kind: ask for a CA without the constraint, or for a leaf without the name"},
		codeConstraintSyntax: {name: "UNSUPPORTED_CONSTRAINT_SYNTAX", message: "unsupported or invalid name constraint syntax", hint: "ask for a CA whose name constraints are well-formed"},
		codeNameSyntax:       {name: "UNSUPPORTED_NAME_SYNTAX", message: "unsupported or invalid name syntax", hint: "ask the CA for names that are well-formed: the CA's constraints are about names of this kind"},
		codeHostnameMismatch: {name: "HOSTNAME_MISMATCH", message: "hostname mismatch", hint: "ask the CA for this name as a DNS alternative name"},
		codeIPMismatch: {name: "IP_ADDRESS_MISMATCH", message: "IP address mismatch",
			hint: "ask the CA for public and private address as IP alternative names: DNS names don't do, nor does the common name"},
		codeEEKeyTooSmall: {name: "EE_KEY_TOO_SMALL", message: "EE certificate key too weak", hint: "make a new key: ECDSA P-256, or RSA of 2048 bits"},
		codeCAKeyTooSmall: {name: "CA_KEY_TOO_SMALL", message: "CA certificate key too weak", hint: "the CA needs a new key: ECDSA P-256, or RSA of 2048 bits"},
		codeCAMDTooWeak:   {name: "CA_MD_TOO_WEAK", message: "CA signature digest algorithm too weak", hint: "ask the CA to sign with SHA-256"},
		codeOCSPFailed:    {name: "OCSP_VERIFY_FAILED", message: "OCSP verification failed", hint: "ask the CA whose responder this is: only the CA itself, or one that it gave OCSPSigning, may answer, and answers go stale"},
		codeOCSPUnknown:   {name: "OCSP_CERT_UNKNOWN", message: "OCSP unknown cert", hint: "the responder does not know this certificate: ask the CA whether it issued it"},
		codeSignatureAlgorithmMismatch: {name: "SIGNATURE_ALGORITHM_MISMATCH", message: "subject signature algorithm and issuer public key algorithm mismatch",
			hint: "a CA of the right name with a key of another kind: trust the one that really issued"},
		codeInvalidCA: {name: "INVALID_CA", message: "invalid CA certificate", hint: "ask for a CA certificate with basicConstraints CA:TRUE and keyCertSign; a node's own can't issue others"},
	}
}

func problem(depth, number int, subject, detail string) Problem {
	c := codes()[number]
	message := c.message
	switch {
	case number == codeApplication:
		message = detail // it has no words of OpenSSL's
	case detail != "":
		message += ": " + detail
	}
	hint := c.hint
	if depth > 0 && c.ca != "" {
		hint = c.ca
	}
	return Problem{Depth: depth, Code: number, Name: c.name, Subject: subject, Message: message, Hint: hint}
}

// Own is the code of what is no error of OpenSSL's: crossring's own verdict.
const Own = codeApplication

// Application is an error of the caller's own about the leaf, such as that a key is
// not its own, with the number that OpenSSL leaves for that.
func Application(subject, message, hint string) Problem {
	p := problem(0, codeApplication, subject, message)
	p.Hint = cmp.Or(hint, "see that the file is there, and is what it was taken for: crossring pki show FILE")
	return p
}
