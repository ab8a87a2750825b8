package awsfault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// quota answers for Service Quotas where moto does not: of EC2's own quotas it knows
// none.
func (p *Proxy) quota(req *http.Request, body []byte) (reply, bool) {
	_, action, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	var in struct{ ServiceCode, QuotaCode string }
	if action != "GetServiceQuota" || json.Unmarshal(body, &in) != nil || in.ServiceCode != "ec2" {
		return reply{}, false
	}
	p.mu.Lock()
	p.quotasAsked = append(p.quotasAsked, RegionOf(req)+" "+in.QuotaCode)
	p.mu.Unlock()
	answer := fmt.Sprintf(`{"Quota": {"ServiceCode": "ec2", "QuotaCode": %q, "Value": %d.0, "Unit": "None"}}`, in.QuotaCode, p.VCPUs)
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body: []byte(answer)}, true
}

// QuotasAsked lists the quotas of EC2 that were asked for, as "region code".
func (p *Proxy) QuotasAsked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.quotasAsked...)
}
