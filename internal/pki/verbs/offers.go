package verbs

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/pki/hello"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
)

// Offers is what a server of TLS has, of one version.
type Offers struct {
	Version      string   `json:"version"`
	CipherSuites []string `json:"cipher_suites"`
	Groups       []string `json:"groups"`
	DHBits       *int     `json:"dh_bits"` // of the prime of its DHE; null where it has none
	Keys         []string `json:"keys"`    // of the certificates that it shows: ECDSA, RSA
}

// NoTermsError says that a server was offered nothing that it has, and what it has.
type NoTermsError struct {
	*wire.HandshakeError
	// Lacking is what the two have not in common: "version", "suite" or "group"; "" is that
	// it can't be told.
	Lacking string
	Reason  string // in words
	Offered string // of the kind that is lacking, or of all
	Has     string // likewise
	Fix     string
}

func (e *NoTermsError) Error() string {
	text := e.HandshakeError.Error()
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text + "; offered was " + e.Offered + "; the server has " + e.Has
}

// Unwrap gives the handshake's own error.
func (e *NoTermsError) Unwrap() error { return e.HandshakeError }

// Hint is what the server would take, or how to look at it otherwise.
func (e *NoTermsError) Hint() string { return e.Fix }

// few names the first of a list, and says how many more there are.
func few(list []string) string {
	const most = 4
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// askWait is how long it may take to find out what a server has.
const askWait = 30 * time.Second

// terms finds out what a server has that did not come to terms with this side. An error
// of another kind stays as it is. What the server shows comes with it, where it can be
// had.
func (w Verbs) terms(ctx context.Context, address string, cfg *tls.Config, err error) ([]hello.Version, error) {
	var shake *wire.HandshakeError
	if !errors.As(err, &shake) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	has, askErr := hello.Server{Address: address, Name: nameOf(cfg)}.Ask(ctx)
	if len(has.Versions) == 0 {
		return nil, err // it says no more
	}
	if askErr != nil {
		w.Say("warning: what else %s has was not found out: %v", address, askErr)
	}
	sent, readErr := hello.Read(shake.Sent)
	if readErr != nil {
		return has.Versions, err
	}
	e := missing(sent, has, address)
	e.HandshakeError = shake
	e.Fix = cmp.Or(e.Fix, plain.Command("openssl", "s_client", "-connect", address))
	return has.Versions, e
}

func offersOf(has hello.Offers) []Offers {
	all := []Offers{}
	for _, v := range has.Versions {
		o := Offers{Version: tls.VersionName(v.Version), CipherSuites: suiteNames(v.Suites), Groups: groupNames(v.Groups), Keys: []string{}}
		if v.PrimeBits > 0 {
			o.DHBits = &v.PrimeBits
		}
		for _, c := range v.Chains {
			o.Keys = append(o.Keys, c.Key)
		}
		all = append(all, o)
	}
	return all
}

func suiteNames(ids []uint16) []string {
	names := []string{}
	for _, id := range ids {
		names = append(names, hello.SuiteName(id))
	}
	return names
}

func groupNames(ids []tls.CurveID) []string {
	names := []string{}
	for _, id := range ids {
		names = append(names, wire.GroupName(id))
	}
	return names
}

// renegotiation is no suite, but says something that has its number among them.
const renegotiation = 0x00ff

// missing says what of an offer the server lacks, and which command offers what it has.
func missing(s hello.Sent, has hello.Offers, address string) *NoTermsError {
	show := func(flag, value string) string {
		return plain.Command("crossring", "pki", "show", "--connect", address, flag, value)
	}
	var versions, theirs, theirSuites, theirGroups []string
	for _, v := range s.Versions {
		versions = append(versions, tls.VersionName(v))
	}
	suites := slices.DeleteFunc(slices.Clone(s.Suites), func(id uint16) bool { return id == renegotiation })
	var common []hello.Version
	for _, v := range has.Versions {
		name := tls.VersionName(v.Version)
		theirs = append(theirs, name)
		theirSuites = append(theirSuites, name+" with "+few(suiteNames(v.Suites)))
		for _, g := range groupNames(v.Groups) {
			if !slices.Contains(theirGroups, g) {
				theirGroups = append(theirGroups, g)
			}
		}
		if slices.Contains(s.Versions, v.Version) {
			common = append(common, v)
		}
	}
	e := &NoTermsError{Offered: strings.Join(versions, ", ") + " with " + few(suiteNames(suites)), Has: strings.Join(theirSuites, ", ")}
	if len(s.Groups) > 0 {
		e.Offered += ", by " + few(groupNames(s.Groups))
	}
	if len(theirGroups) > 0 {
		e.Has += ", by " + few(theirGroups)
	}
	if len(common) == 0 {
		e.Lacking, e.Reason, e.Offered, e.Has = "version", "no version of TLS is on both sides", strings.Join(versions, ", "), strings.Join(theirs, ", ")
		e.Fix = show("--tls", strings.TrimPrefix(theirs[0], "TLS "))
		return e
	}
	suite, group := false, false
	var all []uint16
	for _, v := range common {
		all = append(all, v.Suites...)
		suite = suite || slices.ContainsFunc(v.Suites, func(id uint16) bool { return slices.Contains(suites, id) })
		group = group || len(v.Groups) == 0 || slices.ContainsFunc(v.Groups, func(g tls.CurveID) bool { return slices.Contains(s.Groups, g) })
	}
	switch {
	case !suite:
		e.Lacking, e.Reason, e.Offered, e.Has = "suite", "no cipher suite is on both sides", strings.Join(versions, ", ")+" with "+few(suiteNames(suites)), strings.Join(theirSuites, ", ")
		if allOf(all, "TLS_DHE_") {
			e.Reason += ", since all of the server's agree on the key by DHE, which this program does not have"
		} else if allOf(all, "TLS_RSA_") {
			e.Reason += ", since all of the server's carry the key under RSA, which is not offered unless it is asked for"
		}
		for _, id := range all {
			if _, err := wire.Suites([]string{hello.SuiteName(id)}); err == nil {
				e.Fix = show("--cipher", hello.SuiteName(id))
				break
			}
		}
	case !group:
		e.Lacking, e.Reason, e.Offered, e.Has = "group", "no group for the key is on both sides", few(groupNames(s.Groups)), few(theirGroups)
		for _, name := range theirGroups {
			if _, err := wire.Groups([]string{name}); err == nil {
				e.Fix = show("--group", name)
				break
			}
		}
		if e.Fix == "" {
			e.Reason += ", since this program has none of the server's"
		}
	}
	return e
}

// allOf says that the names of all suites begin alike.
func allOf(ids []uint16, begin string) bool {
	return !slices.ContainsFunc(ids, func(id uint16) bool { return !strings.HasPrefix(hello.SuiteName(id), begin) })
}

// also are chains that a server shows besides the one that was seen, for other kinds of
// keys.
func (w Verbs) also(ctx context.Context, seen wire.Seen, cfg *tls.Config) []hello.Chain {
	version, err := wire.Version(seen.Version)
	if err != nil || len(seen.Chain) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	all, err := hello.Server{Address: seen.Address, Name: nameOf(cfg)}.Chains(ctx, version)
	if err != nil {
		w.Say("warning: whether %s has a certificate with another kind of key was not found out: %v", seen.Address, err)
	}
	return slices.DeleteFunc(all, func(c hello.Chain) bool { return c.Certificates[0].Equal(seen.Chain[0]) })
}

// nameOf is the name that a configuration asks for; "" is none.
func nameOf(cfg *tls.Config) string {
	if cfg == nil {
		return ""
	}
	return cfg.ServerName
}
