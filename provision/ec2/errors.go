package ec2

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"crossring/internal/fail"
	"crossring/provision/ec2/ledger"
)

// CredentialsError says that there is nobody to ask AWS as, or nobody that it knows.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string {
	if c := code(e.Err); strangers[c] {
		return fmt.Sprintf("AWS does not take the credentials: %v", e.Err)
	}
	return fmt.Sprintf("finding AWS credentials: %v", e.Err)
}

func (e *CredentialsError) Unwrap() error { return e.Err }

// ExitCode is that of something missing.
func (e *CredentialsError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is a command that sets them up.
func (e *CredentialsError) Hint() string {
	return "aws configure   # or export AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
}

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

// QuotaError says that a limit of the account is reached. Have and Limit are 0 when
// EC2 only said so.
type QuotaError struct {
	Region, Quota     string
	Need, Have, Limit int    // more, in use, allowed
	Code              string // as Service Quotas has it, "ec2 L-1216C47A"; "" where it is not known
	Err               error
}

func (e *QuotaError) Error() string {
	if e.Limit == 0 {
		return fmt.Sprintf("quota %s of %s is reached: %v", e.Quota, e.Region, e.Err)
	}
	return fmt.Sprintf("quota %s of %s: %d more needed, %d in use, %d allowed", e.Quota, e.Region, e.Need, e.Have, e.Limit)
}

func (e *QuotaError) Unwrap() error { return e.Err }

// Hint names the way out.
func (e *QuotaError) Hint() string {
	hint := "ask for more in the Service Quotas console"
	if service, code, ok := strings.Cut(e.Code, " "); ok {
		hint = fmt.Sprintf("aws service-quotas request-service-quota-increase --region %s --service-code %s --quota-code %s --desired-value %d",
			e.Region, service, code, e.Have+e.Need)
	}
	if e.Quota == "elastic-ips" {
		hint += "   # or write public_ip: ephemeral under ec2: in the spec"
	}
	return hint
}

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
	return fmt.Sprintf("a cluster %q that was made from another state directory is there already: %s", e.Name, list(e.Things))
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
	s := fmt.Sprintf("cluster %s: could not remove %s", e.Cluster, list(e.Things))
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

// code is EC2's code of an error, "" when it has none: no reply came, or none that
// was EC2's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// throttled says that EC2 did nothing because it was asked too often.
func throttled(err error) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code(err)]
	return ok
}

// unknown says that nobody knows whether the call had an effect: no reply, or a
// failure of the server's. What EC2 says by code it knows, whatever the status.
func unknown(err error) bool {
	c := code(err)
	if c == "" {
		return err != nil
	}
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() >= 500 && !throttled(err) && !strings.HasPrefix(c, "Insufficient")
}

// notFound says that EC2 does not see the thing: it is gone, or too new.
func notFound(err error) bool { return strings.HasSuffix(code(err), ".NotFound") }

// duplicate says that there is one of that name.
func duplicate(err error) bool {
	c := code(err)
	return c == "InvalidKeyPair.Duplicate" || c == "InvalidGroup.Duplicate"
}

// service is EC2 in a region, as the ledger has to know it.
type service struct{ region string }

func (service) Read(err error) ledger.Answer {
	return ledger.Answer{Code: code(err), Throttled: throttled(err), Unknown: unknown(err), NotFound: notFound(err), Duplicate: duplicate(err)}
}

func (s service) Refusal(err error) error { return named(s.region, err) }

// capacity says that the zone has no room for the type, or does not have it, or that the
// network in it is full: another zone may do.
func capacity(c string) bool {
	return c == "InsufficientInstanceCapacity" || c == "InsufficientFreeAddressesInSubnet" || c == "Unsupported" || c == "InsufficientHostCapacity"
}

// busy are the codes of things that are still held by others, which are on their way
// out.
func busy(c string) bool {
	return c == "DependencyViolation" || c == "InvalidGroup.InUse" || c == "InvalidIPAddress.InUse" || c == "VolumeInUse" || c == "InvalidNetworkInterface.InUse" ||
		c == "IncorrectState" || c == "IncorrectInstanceState"
}

// held says whether a thing can't be removed yet. That an interface is in use, EC2 says
// by the most general of its codes.
func held(t Thing, c string) bool {
	return busy(c) || t.Type == "network-interface" && c == "InvalidParameterValue"
}

// strangers are the codes of credentials that EC2 does not take: unknown, expired, or of
// a clock that is far off. Regions that an account has not enabled answer so too.
var strangers = map[string]bool{
	"AuthFailure": true, "InvalidClientTokenId": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
	"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true,
}

// asWhom gives the error of credentials that are not taken its type.
func asWhom(err error) error {
	if strangers[code(err)] {
		return &CredentialsError{Err: err}
	}
	return err
}

// quotas are the codes of limits that are reached.
var quotas = map[string]string{
	"VcpuLimitExceeded": "vcpus", "MaxSpotInstanceCountExceeded": "spot-instances", "InstanceLimitExceeded": "instances", "AddressLimitExceeded": "elastic-ips",
	"VpcLimitExceeded": "vpcs", "SecurityGroupLimitExceeded": "security-groups", "RulesPerSecurityGroupLimitExceeded": "inbound-rules-per-group",
	"SecurityGroupsPerInterfaceLimitExceeded": "groups-per-interface", "VolumeLimitExceeded": "volumes", "InternetGatewayLimitExceeded": "internet-gateways",
}

// unready are the codes of an account that may not do this yet, and what helps.
var unready = map[string]string{
	"PendingVerification": "wait: AWS looks at a new account for up to four hours, and says so by mail; then do the same again",
	"OptInRequired":       "finish the account's registration at https://portal.aws.amazon.com/billing/signup, or enable the region in its settings",
	"Blocked":             "the account is blocked: write to AWS support",
}

// UnreadyError says that the account itself may not make anything in a region yet.
type UnreadyError struct {
	Region, Fix string
	Err         error
}

func (e *UnreadyError) Error() string {
	return fmt.Sprintf("the account can't be used in %s yet: %v", e.Region, e.Err)
}

func (e *UnreadyError) Unwrap() error { return e.Err }

// ExitCode is that of a missing prerequisite.
func (e *UnreadyError) ExitCode() int { return 7 }

// Hint is what helps.
func (e *UnreadyError) Hint() string { return e.Fix }

// named gives the error of a limit, or of an account that is not ready, its type.
func named(region string, err error) error {
	if q, ok := quotas[code(err)]; ok {
		return &QuotaError{Region: region, Quota: q, Err: err}
	}
	if hint, ok := unready[code(err)]; ok {
		return &UnreadyError{Region: region, Fix: hint, Err: err}
	}
	return err
}
