package chain

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
)

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidAltNames         = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKey     = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidProxy            = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}
	oidAddressBlocks    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 7}
	oidASNumbers        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 8}
	oidOCSPNoCheck      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidNetscapeType     = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidEmail            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidUTF8Mailbox      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 9}
)

// Kinds of general names: the tags of RFC 5280, 4.2.1.6.
const (
	nameOther     = 0
	nameEmail     = 1
	nameDNS       = 2
	nameDirectory = 4
	nameURI       = 6
	nameIP        = 7
)

// generalName is one, of any kind.
type generalName struct {
	tag   int
	value []byte // of a directory name its DER, of an other name what stands behind the type
	other asn1.ObjectIdentifier
}

// generalNames reads what is inside a SEQUENCE OF GeneralName.
func generalNames(der []byte) ([]generalName, error) {
	var all []generalName
	for rest := der; len(rest) > 0; {
		var raw asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &raw); err != nil {
			return all, err
		}
		n := generalName{tag: raw.Tag, value: raw.Bytes}
		if raw.Class != asn1.ClassContextSpecific {
			return all, asn1.StructuralError{Msg: "general name of a tag that is none"}
		}
		if n.tag == nameOther {
			if n.value, err = asn1.Unmarshal(raw.Bytes, &n.other); err != nil {
				return all, err
			}
		}
		all = append(all, n)
	}
	return all, nil
}

// altNames are the subject alternative names.
func altNames(c *x509.Certificate) ([]generalName, error) {
	value, ok := extension(c.Extensions, oidAltNames)
	if !ok {
		return nil, nil
	}
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(value, &seq); err != nil {
		return nil, err
	}
	return generalNames(seq.Bytes)
}

func extension(all []pkix.Extension, oid asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range all {
		if e.Id.Equal(oid) {
			return e.Value, true
		}
	}
	return nil, false
}

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	_, ok := extension(c.Extensions, oid)
	return ok
}

// String is the name as openssl prints it.
func (n generalName) String() string {
	switch n.tag {
	case nameEmail:
		return "email:" + string(n.value)
	case nameDNS:
		return "DNS:" + string(n.value)
	case nameURI:
		return "URI:" + string(n.value)
	case nameDirectory:
		return "DirName:" + Name(n.value)
	case nameIP:
		if ip, ok := netip.AddrFromSlice(n.value); ok {
			return "IP:" + ip.String()
		}
	case nameOther:
		return "otherName:" + n.other.String()
	}
	return "a name of a kind that is rare"
}
