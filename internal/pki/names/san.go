package names

import (
	"fmt"
	"net/netip"
	"strings"
)

// SANError says that something can't be an alternative name of a certificate.
type SANError struct{ Name, Why string }

func (e *SANError) Error() string {
	return fmt.Sprintf("%q can't be an alternative name: %s", e.Name, e.Why)
}

// ExitCode is that of a wrong command line.
func (e *SANError) ExitCode() int { return 2 }

// Hint is how names are given.
func (e *SANError) Hint() string { return "crossring help pki issue" }

// CheckDNS says why a host name can't be an alternative name: those who check
// certificates would not find it, or read it as something else. A wildcard is the
// whole of the first label, with two labels behind it at least, as OpenSSL wants it.
func CheckDNS(name string) error {
	bad := func(format string, args ...any) error { return &SANError{name, fmt.Sprintf(format, args...)} }
	plain, wild := strings.CutPrefix(name, "*.")
	labels := strings.Split(plain, ".")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return bad("it is an address: give it as an address")
	}
	switch {
	case name == "":
		return bad("it is empty")
	case strings.ContainsFunc(name, func(r rune) bool { return r > 127 }):
		return bad("it has letters beyond ASCII: write it in Punycode, as xn--…")
	case strings.HasSuffix(name, "."):
		return bad("it ends with a dot, which certificates leave off")
	case len(name) > 253:
		return bad("it has %d characters, and a name of DNS has 253 at most", len(name))
	case wild && len(labels) < 2:
		return bad("a wildcard has two labels behind it at least")
	case strings.Contains(plain, "*"):
		return bad("a wildcard is the whole of the first label, as in *.example.com")
	}
	for _, l := range labels {
		switch {
		case l == "":
			return bad("a label of it is empty")
		case len(l) > 63:
			return bad("a label of it has %d characters, and 63 is the most", len(l))
		case l[0] == '-' || l[len(l)-1] == '-':
			return bad("label %q begins or ends with a hyphen", l)
		case strings.ContainsFunc(l, func(r rune) bool { return !hostByte(r) }):
			return bad("host names have letters, digits, hyphens and dots alone")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return bad("its last label is a number, so that it is read as an address")
	}
	return nil
}

// hostByte says whether a host name may have a character. An underscore no standard
// allows, but every resolver and every check of certificates does.
func hostByte(r rune) bool {
	return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// CheckIP says why an address can't be an alternative name: nobody can be connected
// to there, or a certificate can't hold it.
func CheckIP(ip netip.Addr) error {
	why := ""
	switch plain := ip.Unmap(); {
	case !ip.IsValid():
		why = "it is no address"
	case ip.Zone() != "":
		why = "it has a zone, which is a matter of one machine, and a certificate has no place for it"
	case plain.IsUnspecified():
		why = "it stands for all addresses of a machine, and is none of them"
	case plain.IsMulticast():
		why = "it is the address of a group"
	case plain == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		why = "it is the address of everybody"
	}
	if why == "" {
		return nil
	}
	return &SANError{ip.String(), why}
}
