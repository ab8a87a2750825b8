package ec2

import (
	"fmt"
	"strings"

	"crossring/internal/fail"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/sweep"
)

// The errors of what EC2 refuses.
type (
	// CredentialsError says that there is nobody to ask AWS as, or nobody that it knows.
	CredentialsError = cloud.CredentialsError
	// QuotaError says that a limit of the account is reached.
	QuotaError = cloud.QuotaError
	// UnreadyError says that the account itself may not make anything in a region yet.
	UnreadyError = cloud.UnreadyError
)

// PlanError says that a plan can't be made on this account, whatever is tried:
// nothing was made.
type PlanError struct {
	Region  string
	Problem string
	Fix     string // the hint
	Err     error
}

func (e *PlanError) Error() string {
	s := "planning " + e.Region + ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *PlanError) Unwrap() error { return e.Err }

// ExitCode is that of a spec that is not valid.
func (e *PlanError) ExitCode() int { return fail.ExitUsage }

// Hint names the way out.
func (e *PlanError) Hint() string { return e.Fix }

// CapacityError says that no zone has room for an instance.
type CapacityError struct {
	Node, Region, Type string
	Tried              []string // zones
	Err                error    // of the last one
}

func (e *CapacityError) Error() string {
	return fmt.Sprintf("launching %s: no %s to be had in %s (tried %s): %v", e.Node, e.Type, e.Region, strings.Join(e.Tried, ", "), e.Err)
}

func (e *CapacityError) Unwrap() error { return e.Err }

// Hint names the way out.
func (e *CapacityError) Hint() string {
	return "try again later, or with another ec2.instance_type"
}

// TakenError says that the account has things of a cluster of that name which this
// state directory knows nothing of.
type TakenError struct {
	Name   string
	Things []Thing
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("a cluster %q that was made from another state directory is there already: %s", e.Name, sweep.Lines(e.Things))
}

// ExitCode is that of a name that is taken.
func (e *TakenError) ExitCode() int { return fail.ExitBusy }

// Hint names the way out.
func (e *TakenError) Hint() string {
	return "crossring down " + e.Name + " --ec2   # if it is to go; or choose another name in the spec"
}

// GoneError says that something of a whole cluster was taken away by somebody else.
type GoneError struct{ Cluster, Node, What string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("cluster %s: %s of %s is gone, and crossring did not remove it", e.Cluster, e.What, e.Node)
}

// Hint is the command that puts another one in its place or, where that can't be done,
// clears the rest.
func (e *GoneError) Hint() string {
	down := "crossring down " + e.Cluster
	if strings.HasPrefix(e.What, "instance ") {
		return "crossring up " + e.Cluster + " --replace-node " + e.Node + "   # or " + down
	}
	return down
}

// LeftError lists what Unmake could not remove.
type LeftError struct {
	Cluster string
	Things  []Thing
	Err     error
}

func (e *LeftError) Error() string {
	s := fmt.Sprintf("cluster %s: could not remove %s", e.Cluster, sweep.Lines(e.Things))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *LeftError) Unwrap() error { return e.Err }

// ExitCode is that of something left behind.
func (e *LeftError) ExitCode() int { return fail.ExitLeftover }

// Hint is the command to repeat.
func (e *LeftError) Hint() string { return "crossring down " + e.Cluster }

// capacity says that the zone has no room for the type, or does not have it, or that the
// network in it is full: another zone may do.
func capacity(c string) bool {
	return c == "InsufficientInstanceCapacity" || c == "InsufficientFreeAddressesInSubnet" || c == "Unsupported" || c == "InsufficientHostCapacity"
}
