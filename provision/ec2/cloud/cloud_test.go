package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"crossring/provision/ec2/ledger"
)

// apiError is an error as the SDK returns it.
func apiError(status int, code string) error {
	err := error(&smithy.GenericAPIError{Code: code, Message: "it said so"})
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "Test", Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}}}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err                          error
		throttled, unknown, notFound bool
	}{
		{err: apiError(503, "RequestLimitExceeded"), throttled: true},
		{err: apiError(400, "Throttling"), throttled: true},
		{err: apiError(500, "InternalError"), unknown: true},
		{err: apiError(503, "Unavailable"), unknown: true},
		// EC2 sends it with status 500, and knows very well that it did nothing.
		{err: apiError(500, "InsufficientInstanceCapacity")},
		{err: apiError(400, "Unsupported")},
		{err: apiError(400, "InsufficientFreeAddressesInSubnet")},
		{err: apiError(400, "InvalidGroup.NotFound"), notFound: true},
		{err: apiError(400, "UnauthorizedOperation")},
		{err: errors.New("connection reset by peer"), unknown: true},
		{err: context.DeadlineExceeded, unknown: true},
		// What a message says does not count.
		{err: fmt.Errorf("RequestLimitExceeded: %w", apiError(400, "InvalidParameterValue"))},
	} {
		if Throttled(tt.err) != tt.throttled || Unknown(tt.err) != tt.unknown || NotFound(tt.err) != tt.notFound {
			t.Errorf("%v: throttled %t, unknown %t, not found %t", tt.err, Throttled(tt.err), Unknown(tt.err), NotFound(tt.err))
		}
	}
	if Unknown(nil) || Throttled(nil) {
		t.Error("no error is an error")
	}
	var quota *QuotaError
	if err := (Service{Region: "us-east-1"}).Refusal(apiError(400, "VcpuLimitExceeded")); !errors.As(err, &quota) || quota.Quota != "vcpus" || Code(err) != "VcpuLimitExceeded" {
		t.Errorf("quota: %v", err)
	}
}

// The ledger reads EC2's errors by their codes, and a refusal has the type of its reason.
func TestService(t *testing.T) {
	s := Service{Region: "us-east-1"}
	for _, c := range []struct {
		err  error
		want ledger.Answer
	}{
		{nil, ledger.Answer{}},
		{errors.New("reset"), ledger.Answer{Unknown: true}},
		{apiError(503, "RequestLimitExceeded"), ledger.Answer{Code: "RequestLimitExceeded", Throttled: true}},
		{apiError(400, "InvalidGroup.NotFound"), ledger.Answer{Code: "InvalidGroup.NotFound", NotFound: true}},
		{apiError(400, "InvalidGroup.Duplicate"), ledger.Answer{Code: "InvalidGroup.Duplicate", Duplicate: true}},
		{apiError(403, "UnauthorizedOperation"), ledger.Answer{Code: "UnauthorizedOperation"}},
	} {
		if got := s.Read(c.err); got != c.want {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	var quota *QuotaError
	if err := s.Refusal(apiError(400, "VcpuLimitExceeded")); !errors.As(err, &quota) || quota.Region != "us-east-1" {
		t.Errorf("%v", err)
	}
}

// An account that may not make anything yet is told what helps.
func TestUnready(t *testing.T) {
	for _, c := range []string{"PendingVerification", "OptInRequired", "Blocked"} {
		var unready *UnreadyError
		if err := (Service{Region: "us-east-1"}).Refusal(apiError(400, c)); !errors.As(err, &unready) || unready.ExitCode() != 7 || unready.Hint() == "" {
			t.Errorf("%s: %v", c, err)
		}
	}
	var quota *QuotaError
	if err := (Service{Region: "us-east-1"}).Refusal(apiError(400, "MaxSpotInstanceCountExceeded")); !errors.As(err, &quota) || quota.Quota != "spot-instances" {
		t.Errorf("%v", err)
	}
}

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
		if got := held(c.kind, c.code); got != c.want {
			t.Errorf("%s, %s: %t", c.kind, c.code, got)
		}
	}
}
