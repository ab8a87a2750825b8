// Package until names how far a command goes that can be told to stop on its way: the
// steps of up, and the phases in which a CA is replaced.
package until

import (
	"fmt"
	"slices"
	"strings"
)

// Step is a step of up. The zero value stands for the last one: who says nothing wants all.
type Step int

// The steps of up, in their order.
const (
	Plan Step = 1 + iota
	Provision
	Render
	Deploy
	Start
	Ready
)

var steps = []string{"plan", "provision", "render", "deploy", "start", "ready"}

func (s Step) orLast() Step {
	if s == 0 {
		return Ready
	}
	return s
}

// String is the step as it is written on a command line.
func (s Step) String() string { return steps[s.orLast()-1] }

// Reaches says whether a command that goes until s does that step, too.
func (s Step) Reaches(step Step) bool { return s.orLast() >= step.orLast() }

// Steps are the names of the steps of up, in their order.
func Steps() []string { return slices.Clone(steps) }

// ParseStep reads the name of a step; "" is the last one.
func ParseStep(name string) (Step, error) {
	if name == "" {
		return Ready, nil
	}
	if i := slices.Index(steps, name); i >= 0 {
		return Plan + Step(i), nil
	}
	return 0, fmt.Errorf("--until is one of %s, not %q", strings.Join(steps, ", "), name)
}

// Phase is a phase of the replacement of a CA that it can stop after: for clients of
// others, which have to trust the new CA before the nodes show its certificates, and to
// have one of it before the old one is trusted no more. The zero value is the whole.
type Phase int

// The phases, in their order.
const (
	Trust        Phase = 1 + iota // both CAs are trusted
	Certificates                  // all certificates are of the new one
)

var phases = []string{"trust", "certificates"}

// String is the phase as it is written on a command line; "" for the whole.
func (p Phase) String() string {
	if p == 0 {
		return ""
	}
	return phases[p-1]
}

// ParsePhase reads the name of a phase; "" is the whole.
func ParsePhase(name string) (Phase, error) {
	if name == "" {
		return 0, nil
	}
	if i := slices.Index(phases, name); i >= 0 {
		return Trust + Phase(i), nil
	}
	return 0, fmt.Errorf("--until is %s, not %q", strings.Join(phases, " or "), name)
}
