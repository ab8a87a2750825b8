package cloud

import "strings"

// Services and codes of quotas, as Service Quotas has them.
const (
	VPCService        = "vpc"
	EC2Service        = "ec2"
	RulesQuota        = "L-0EA8095F" // inbound or outbound rules per security group
	GroupsQuota       = "L-2AFB9258" // security groups per network interface
	AddressesQuota    = "L-0263D0A3" // Elastic IPs
	defaultVCPUsQuota = "L-1216C47A" // vCPUs of families A, C, D, H, I, M, R, T and Z
)

// VCPUsQuota is the code of the limit on vCPUs of instances on demand that run, of the
// family of an instance type.
func VCPUsQuota(instanceType string) string {
	// By the letters that a family begins with. The first that fits counts.
	for _, known := range []struct{ family, code string }{
		{"inf", "L-1945791B"}, {"trn", "L-2C3B7624"}, {"dl", "L-6E869C2A"}, {"hpc", "L-F7808C92"}, {"u-", "L-43DA4232"},
		{"g", "L-DB2E81BA"}, {"vt", "L-DB2E81BA"}, {"p", "L-417A185B"}, {"f", "L-74FC7D96"}, {"x", "L-7295265B"},
	} {
		if strings.HasPrefix(instanceType, known.family) {
			return known.code
		}
	}
	return defaultVCPUsQuota
}
