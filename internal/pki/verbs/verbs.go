// Package verbs does with CAs, certificates and TLS servers what the command line
// offers: issue, renew, revoke, show, verify, and handshakes by the hundred.
package verbs

import "time"

// Verbs is what they need of the program that asks.
type Verbs struct {
	Now func() time.Time
	// Say takes a line for a person.
	Say func(format string, args ...any)
	// Stage does f as something that is reported under a text.
	Stage func(text string, f func() error) error
}
