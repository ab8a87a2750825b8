package cloud

import (
	"fmt"
	"strings"

	"crossring/internal/fail"
)

// CredentialsError says that there is nobody to ask AWS as, or nobody that it knows.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string {
	if Stranger(e.Err) {
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

// strangers are the codes of credentials that EC2 does not take: unknown, expired, or of
// a clock that is far off. Regions that an account has not enabled answer so too.
var strangers = map[string]bool{
	"AuthFailure": true, "InvalidClientTokenId": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
	"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true,
}

// Stranger says that EC2 does not take the credentials.
func Stranger(err error) bool { return strangers[Code(err)] }

// AsWhom gives the error of credentials that are not taken its type.
func AsWhom(err error) error {
	if Stranger(err) {
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
func (e *UnreadyError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is what helps.
func (e *UnreadyError) Hint() string { return e.Fix }

// Service is EC2 in a region, as the ledger has to know it.
type Service struct{ Region string }

// Refusal gives the error of a limit, or of an account that is not ready, its type.
func (s Service) Refusal(err error) error {
	if q, ok := quotas[Code(err)]; ok {
		return &QuotaError{Region: s.Region, Quota: q, Err: err}
	}
	if hint, ok := unready[Code(err)]; ok {
		return &UnreadyError{Region: s.Region, Fix: hint, Err: err}
	}
	return err
}
