package ec2

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// What is held by something that is on its way out is tried again; an interface that is
// in use has no code of its own.
func TestHeld(t *testing.T) {
	for _, c := range []struct {
		kind, code string
		want       bool
	}{
		{"security-group", "DependencyViolation", true},
		{"security-group", "InvalidGroup.InUse", true},
		{"elastic-ip", "InvalidIPAddress.InUse", true},
		{"network-interface", "InvalidParameterValue", true},
		{"network-interface", "UnauthorizedOperation", false},
		{"volume", "VolumeInUse", true},
		{"volume", "InvalidParameterValue", false},
	} {
		if got := held(Thing{Type: c.kind}, c.code); got != c.want {
			t.Errorf("%s, %s: %t", c.kind, c.code, got)
		}
	}
}

// noRegions answers with an error.
type noRegions struct{ err error }

func (n noRegions) DescribeRegions(context.Context, *ec2.DescribeRegionsInput, ...func(*ec2.Options)) (*ec2.DescribeRegionsOutput, error) {
	return nil, n.err
}

// Credentials that EC2 does not take are told before anything else; that an account may
// not list regions is no reason to stop.
func TestCredentialsThatAreNotTaken(t *testing.T) {
	r := bench(t, twoPeers(1))
	for c, want := range map[string]bool{"AuthFailure": true, "RequestExpired": true, "ExpiredToken": true, "UnauthorizedOperation": false} {
		err := r.checkRegions(t.Context(), noRegions{apiError(401, c)})
		var credentials *CredentialsError
		if errors.As(err, &credentials) != want || !want && err != nil {
			t.Errorf("%s: %v", c, err)
		}
		_, err = enabledRegions(t.Context(), noRegions{apiError(401, c)})
		if credentials = nil; err == nil || errors.As(err, &credentials) != want {
			t.Errorf("list, %s: %v", c, err)
		}
	}
}
