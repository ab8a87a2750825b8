package cloud

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"crossring/provision/ec2/ledger"
	"crossring/provision/ec2/sweep"
)

// Code is EC2's code of an error, "" when it has none: no reply came, or none that
// was EC2's.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Throttled says that EC2 did nothing because it was asked too often.
func Throttled(err error) bool {
	_, ok := retry.DefaultThrottleErrorCodes[Code(err)]
	return ok
}

// Unknown says that nobody knows whether the call had an effect: no reply, or a
// failure of the server's. What EC2 says by code it knows, whatever the status.
func Unknown(err error) bool {
	c := Code(err)
	if c == "" {
		return err != nil
	}
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() >= 500 && !Throttled(err) && !strings.HasPrefix(c, "Insufficient")
}

// NotFound says that EC2 does not see the thing: it is gone, or too new.
func NotFound(err error) bool { return strings.HasSuffix(Code(err), ".NotFound") }

// Duplicate says that there is one of that name.
func Duplicate(err error) bool {
	c := Code(err)
	return c == "InvalidKeyPair.Duplicate" || c == "InvalidGroup.Duplicate"
}

// Read says what an error means.
func (Service) Read(err error) ledger.Answer {
	return ledger.Answer{Code: Code(err), Throttled: Throttled(err), Unknown: Unknown(err), NotFound: NotFound(err), Duplicate: Duplicate(err)}
}

// busy are the codes of things that are still held by others, which are on their way
// out.
func busy(c string) bool {
	return c == "DependencyViolation" || c == "InvalidGroup.InUse" || c == "InvalidIPAddress.InUse" || c == "VolumeInUse" || c == "InvalidNetworkInterface.InUse" ||
		c == "IncorrectState" || c == "IncorrectInstanceState"
}

// held says whether a thing of a kind can't be removed yet. That an interface is in use, EC2 says
// by the most general of its codes.
func held(kind, c string) bool {
	return busy(c) || kind == sweep.Interface && c == "InvalidParameterValue"
}
