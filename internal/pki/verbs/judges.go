package verbs

import (
	"context"
	"crypto/x509"
	"time"

	"crossring/internal/jars"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
)

// judges says what OpenSSL's rules and Java make of a chain. A JDK is asked where that is
// wanted and one is here; else it is by the rules.
func (w Verbs) judges(ctx context.Context, ask bool, at time.Time, sent []*x509.Certificate, o chain.Options, report chain.Report) []java.Verdict {
	own := java.Verdict{Judge: java.OpenSSL, Version: "3", OK: report.OK}
	if !report.OK {
		own.Message = report.Errors[0].Message
	}
	theirs := java.Rules(sent[0], sent[1:], o, report)
	if !ask {
		return []java.Verdict{own, theirs}
	}
	if !at.IsZero() {
		w.Say("warning: Java was not asked, its verdict is by the rules: its clock is this computer's, and --at names another time")
		return []java.Verdict{own, theirs}
	}
	program, version, err := jars.FindJava(ctx, java.MinJava, 0)
	if err == nil {
		var asked java.Verdict
		if asked, err = java.Ask(ctx, program, version, sent[0], sent[1:], o, report); err == nil {
			theirs = asked
		}
	}
	if err != nil {
		w.Say("warning: Java was not asked, its verdict is by the rules: %v", err)
	}
	return []java.Verdict{own, theirs}
}
