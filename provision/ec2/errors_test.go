package ec2

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

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
		err := r.checkRegions(t.Context(), noRegions{apiError(c)})
		var credentials *CredentialsError
		if errors.As(err, &credentials) != want || !want && err != nil {
			t.Errorf("%s: %v", c, err)
		}
		_, err = enabledRegions(t.Context(), noRegions{apiError(c)})
		if credentials = nil; err == nil || errors.As(err, &credentials) != want {
			t.Errorf("list, %s: %v", c, err)
		}
	}
}

// What another zone may have, EC2 says by these codes.
func TestCapacity(t *testing.T) {
	for c, want := range map[string]bool{"InsufficientInstanceCapacity": true, "Unsupported": true, "InsufficientFreeAddressesInSubnet": true, "UnauthorizedOperation": false, "": false} {
		if capacity(c) != want {
			t.Errorf("%q: %t", c, !want)
		}
	}
}
