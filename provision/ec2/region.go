package ec2

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"crossring/internal/many"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// atOnce is how much of one sort is under way at a time: regions, nodes, things to remove.
const atOnce = 8

// region is one region of a cluster.
type region struct {
	*site
	name  string
	api   *ec2.Client
	cloud cloud.Region
	ssm   *ssm.Client
	// clerk makes the calls that change something; what EC2 holds back here, it does not
	// elsewhere.
	clerk *ledger.Clerk

	net    *network
	quota  *quota
	launch *launcher
	wall   *firewall
}

// network is what the instances of a region stand in: a VPC, with a subnet in each of
// their zones.
type network struct {
	*region
	zones []string // that have the instance type, in order
	vpc   string
	mu    sync.Mutex // of subnets
	// subnets of the VPC by zone.
	subnets map[string]string
}

// quota is what the account may have in a region.
type quota struct {
	*region
	client *servicequotas.Client
	vcpus  int // of one instance of the plan's type
}

// launcher makes the instances of a region's nodes, in the zones that have room.
type launcher struct {
	*region
	image cloud.Image
}

// firewall is the security groups of a region, and who may reach what.
type firewall struct{ *region }

func (s *site) region(name string, cfg aws.Config) *region {
	cfg = cfg.Copy()
	cfg.Region = name
	api := ec2.NewFromConfig(cfg)
	r := &region{site: s, name: name, api: api, cloud: cloud.Region{Name: name, API: api, Cluster: s.st.Plan.Name, Run: s.st.Run}, ssm: ssm.NewFromConfig(cfg),
		clerk: &ledger.Clerk{Ledger: s.mem, Region: name, Service: cloud.Service{Region: name}, Pace: s.Pace, Log: s.Log, Say: s.Say},
	}
	r.net = &network{region: r, subnets: map[string]string{}}
	r.quota = &quota{region: r, client: servicequotas.NewFromConfig(cfg)}
	r.launch, r.wall = &launcher{region: r}, &firewall{region: r}
	return r
}

// part names one thing of the region in the journal and in its tag.
func (r *region) part(what string) string { return r.clerk.Part(what) }

// side does f for each of some side by side. One error alone stays as it is: that
// "some hosts" failed is for others to say.
func side[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	return many.Alone(many.Each(ctx, items, atOnce, f))
}

// join makes one error of several, in their order; one alone stays as it is.
func join(errs ...error) error { return many.Alone(many.Join(errs...)) }

func numbersOf[T any](many []T) []int {
	list := make([]int, len(many))
	for i := range list {
		list[i] = i
	}
	return list
}
