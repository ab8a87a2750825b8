package app

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"golang.org/x/term"
)

// owner is who is asking, for tags.
func (e *Env) owner() string {
	if name := e.Variable("USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// Asks says whether somebody is there to be asked: input is from a terminal.
func (e *Env) Asks() bool {
	in, ok := e.Stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// Confirm asks a question on the terminal.
func (e *Env) Confirm(question string) (bool, error) {
	if !e.Asks() {
		return false, errors.New("there is no terminal to ask on")
	}
	fmt.Fprintf(e.Stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(e.Stdin).ReadString('\n')
	if err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	return strings.EqualFold(strings.TrimSpace(line), "y") || strings.EqualFold(strings.TrimSpace(line), "yes"), nil
}

// Password asks for a password on the terminal, which does not show it.
func (e *Env) Password(question string) (string, error) {
	in, ok := e.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New("there is no terminal to ask for a password on")
	}
	fmt.Fprintf(e.Stderr, "%s ", question)
	typed, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(e.Stderr)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(typed), nil
}
