package cluster

import (
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/plan"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// Plan is what the spec comes to. It changes nothing and asks nobody.
func Plan(s spec.Spec) (topology.Plan, error) {
	p, err := plan.Build(s)
	if err == nil && p.TLS != nil {
		err = checkNodeDN(s, p)
	}
	if err != nil {
		return p, fail.Usage("", err, "")
	}
	return p, nil
}

// checkNodeDN sees that the nodes' certificates can be named as the spec says.
func checkNodeDN(s spec.Spec, p topology.Plan) error {
	if err := (pki.Setup{Cluster: p.ClusterName, NodeDN: p.TLS.Name}).Check(); err != nil {
		return spec.Join([]*spec.Problem{s.Problem("tls.name", "%v", err)})
	}
	return nil
}
