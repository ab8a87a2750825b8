package sshhost

import (
	"fmt"
	"net"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/plain"
)

// UnreachableError says that a machine could not be logged in to in time.
type UnreachableError struct {
	Host   string // user@address:port
	Waited time.Duration
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("waiting for ssh to %s: %s", e.Host, strings.ReplaceAll(e.Err.Error(), "\n", "; last: "))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint is the command that tries the same, and says more.
func (e *UnreachableError) Hint() string { return sshCommand(e.Host) }

// sshCommand is ssh's own to user@address:port, with every step told.
func sshCommand(host string) string {
	user, address, _ := strings.Cut(host, "@")
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return "ssh -v " + host
	}
	return fmt.Sprintf("ssh -v -p %s %s@%s", port, user, name)
}

// LoginError says that the machine did not accept the user or the key.
type LoginError struct {
	Host string
	Err  error
}

func (e *LoginError) Error() string { return fmt.Sprintf("login as %s refused: %v", e.Host, e.Err) }

func (e *LoginError) Unwrap() error { return e.Err }

// Hint is the command that tries the same, and says more.
func (e *LoginError) Hint() string { return sshCommand(e.Host) }

// IdentityError says that there is no key to log in with.
type IdentityError struct {
	File string // "" when none is named
	Err  error
}

func (e *IdentityError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("ssh identity: %v", e.Err)
	}
	return fmt.Sprintf("ssh identity %s: %v", e.File, e.Err)
}

func (e *IdentityError) Unwrap() error { return e.Err }

// ExitCode is that of a missing prerequisite.
func (e *IdentityError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is the command that helps.
func (e *IdentityError) Hint() string { return "ssh-add ~/.ssh/id_ed25519" }

// HostKeyChangedError says that a host shows another key than the one that is
// held: another machine has its address, or somebody is in between.
type HostKeyChangedError struct {
	Address string
	Got     string   // fingerprint
	Held    []string // fingerprints
	File    string   // where they are held; "" when they were given
}

func (e *HostKeyChangedError) Error() string {
	s := fmt.Sprintf("host key of %s is %s, not %s", e.Address, e.Got, strings.Join(e.Held, " or "))
	if e.File != "" {
		s += " as held in " + e.File
	}
	return s + ": another machine has its address, or somebody is in between"
}

// Hint is how to look at the key, and to forget the one that is held.
func (e *HostKeyChangedError) Hint() string {
	host, port := e.Address, "22"
	if h, p, err := net.SplitHostPort(e.Address); err == nil {
		host, port = h, p
	}
	hint := fmt.Sprintf("ssh-keyscan -p %s %s | ssh-keygen -lf -   # to see it", port, host)
	if e.File != "" {
		hint += fmt.Sprintf("; if the machine was made anew: ssh-keygen -f %s -R '%s'", plain.Word(e.File), e.Address)
	}
	return hint
}

// UnknownHostKeyError says that nothing is known of a host's key, and that it was
// not to be trusted at first sight.
type UnknownHostKeyError struct {
	Address string
	Got     string // fingerprint
}

func (e *UnknownHostKeyError) Error() string {
	return fmt.Sprintf("host key of %s is unknown: it is %s", e.Address, e.Got)
}

// LostError says that the connection ended while a command ran: what became of
// the command is not known.
type LostError struct {
	Host    string
	Command string
	Err     error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("connection to %s lost during %s: %v", e.Host, e.Command, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// ExitError says that a command ended with a status other than 0.
type ExitError struct {
	Host    string
	Command string
	Status  int    // -1 when a signal ended it
	Signal  string // without SIG; "" when none
	Stderr  string // its last lines, unless they went elsewhere
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != "" {
		how = "signal " + e.Signal
	}
	s := fmt.Sprintf("%s on %s: %s", e.Command, e.Host, how)
	if text := lastLines(e.Stderr, 8); text != "" {
		s += ": " + text
	}
	return s
}

// SudoError says that the login is not root's and may not become root without a
// password.
type SudoError struct {
	Host string
	Err  error
}

func (e *SudoError) Error() string {
	return fmt.Sprintf("%s can't become root: sudo without a password is needed: %v", e.Host, e.Err)
}

func (e *SudoError) Unwrap() error { return e.Err }

// lastLines joins the last lines of a text into one.
func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
