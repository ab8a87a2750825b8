package ec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// ownVPC is the value of ec2.vpc that makes one.
const ownVPC = "own"

// findVPC finds the VPC that the plan names, and its subnets by zone. One of the
// cluster's own is made later.
func (w *network) findVPC(ctx context.Context) error {
	e := w.st.Plan.EC2
	in := &ec2.DescribeVpcsInput{}
	what := e.VPCs[w.name]
	switch {
	case e.VPC == ownVPC:
		return nil
	case e.VPC != "":
		what = "a default VPC"
		in.Filters = []types.Filter{cloud.Filter("is-default", "true")}
	default:
		in.VpcIds = []string{what}
	}
	out, err := w.api.DescribeVpcs(ctx, in)
	if err != nil || len(out.Vpcs) == 0 {
		return &PlanError{Region: w.name, Problem: "there is no " + strings.TrimPrefix(what, "a "), Err: err, Fix: "write vpc: own under ec2: in the spec"}
	}
	w.vpc = aws.ToString(out.Vpcs[0].VpcId)
	if err := w.findSubnets(ctx); err != nil {
		return err
	}
	for _, n := range w.nodes() {
		if w.subnets[n.Zone] == "" {
			return &PlanError{Region: w.name, Problem: fmt.Sprintf("%s has no subnet in %s", w.vpc, n.Zone), Fix: "choose another zone, or write vpc: own under ec2: in the spec"}
		}
	}
	return nil
}

// leadsOut says whether a subnet sends what is not the VPC's through an internet
// gateway, by its route table or, where it has none of its own, the VPC's main one.
func leadsOut(subnet string, tables []types.RouteTable) bool {
	var own, main *types.RouteTable
	for i, t := range tables {
		for _, a := range t.Associations {
			switch {
			case aws.ToString(a.SubnetId) == subnet:
				own = &tables[i]
			case aws.ToBool(a.Main):
				main = &tables[i]
			}
		}
	}
	if own == nil {
		own = main
	}
	return own != nil && slices.ContainsFunc(own.Routes, func(r types.Route) bool {
		return aws.ToString(r.DestinationCidrBlock) == "0.0.0.0/0" && strings.HasPrefix(aws.ToString(r.GatewayId), "igw-")
	})
}

// sortSubnets puts those first that are to be taken: the default one of a zone, then
// those that the internet reaches, then by id.
func sortSubnets(list []types.Subnet, tables []types.RouteTable) {
	rank := func(s types.Subnet) int {
		switch {
		case aws.ToBool(s.DefaultForAz):
			return 0
		case leadsOut(aws.ToString(s.SubnetId), tables):
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(a, b types.Subnet) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(aws.ToString(a.SubnetId), aws.ToString(b.SubnetId)))
	})
}

// findSubnets notes one subnet of the VPC for each zone.
func (w *network) findSubnets(ctx context.Context) error {
	out, err := w.api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{cloud.Filter("vpc-id", w.vpc)}})
	if err != nil {
		return fmt.Errorf("listing the subnets of %s: %w", w.vpc, err)
	}
	tables, err := w.api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{cloud.Filter("vpc-id", w.vpc)}})
	if err != nil {
		return fmt.Errorf("reading the routes of %s: %w", w.vpc, err)
	}
	sortSubnets(out.Subnets, tables.RouteTables)
	for _, s := range out.Subnets {
		zone, id := aws.ToString(s.AvailabilityZone), aws.ToString(s.SubnetId)
		if w.subnets[zone] != "" {
			continue
		}
		w.subnets[zone] = id
		needed := slices.ContainsFunc(w.nodes(), func(n topology.Node) bool { return n.Zone == zone })
		if needed && !w.st.Complete && !aws.ToBool(s.DefaultForAz) && !leadsOut(id, tables.RouteTables) {
			w.Say("%s in %s has no route to an internet gateway: unless something else leads there, its hosts will not be reached", id, zone)
		}
	}
	return nil
}

// network makes the cluster's own VPC, where the plan has one.
func (w *network) ensure(ctx context.Context) error {
	if w.st.Plan.EC2.VPC != ownVPC {
		return nil
	}
	var err error
	if w.vpc, err = w.makeVPC(ctx); err != nil {
		return err
	}
	gateway, err := w.makeGateway(ctx)
	if err != nil {
		return err
	}
	if err := w.makeRoute(ctx, gateway); err != nil {
		return err
	}
	for _, n := range w.nodes() {
		if _, err := w.subnet(ctx, n.Zone); err != nil {
			return err
		}
	}
	return nil
}

func (w *network) makeVPC(ctx context.Context) (string, error) {
	part := w.part("vpc")
	if rec := w.mem.Get("CreateVpc", part); rec.Made() {
		return rec.ID, nil
	}
	return w.clerk.Change(ctx, ledger.Mutation{Action: "CreateVpc", Part: part,
		Find: w.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
			out, err := w.api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filters})
			if err == nil {
				for _, v := range out.Vpcs {
					ids = append(ids, v.VpcId)
				}
			}
			return ids, err
		}),
		Call: func(ctx context.Context) (string, error) {
			out, err := w.api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(fmt.Sprintf("10.%d.0.0/16", w.number())),
				TagSpecifications: cloud.Specify(types.ResourceTypeVpc, w.tags(part))}, cloud.Once)
			if err != nil {
				return "", err
			}
			return aws.ToString(out.Vpc.VpcId), nil
		}})
}

// number of the region in the plan, from 1; it is in the addresses of its own VPC.
func (w *network) number() int {
	return 1 + slices.Index(regionNames(w.st.Plan.Nodes), w.name)
}

func (w *network) makeGateway(ctx context.Context) (string, error) {
	part := w.part("internet-gateway")
	id := ""
	if rec := w.mem.Get("CreateInternetGateway", part); rec.Made() {
		id = rec.ID
	} else {
		var err error
		id, err = w.clerk.Change(ctx, ledger.Mutation{Action: "CreateInternetGateway", Part: part,
			Find: w.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
				out, err := w.api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: filters})
				if err == nil {
					for _, g := range out.InternetGateways {
						ids = append(ids, g.InternetGatewayId)
					}
				}
				return ids, err
			}),
			Call: func(ctx context.Context) (string, error) {
				out, err := w.api.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
					TagSpecifications: cloud.Specify(types.ResourceTypeInternetGateway, w.tags(part))}, cloud.Once)
				if err != nil {
					return "", err
				}
				return aws.ToString(out.InternetGateway.InternetGatewayId), nil
			}})
		if err != nil {
			return "", err
		}
	}
	if rec := w.mem.Get("AttachInternetGateway", part); rec.Made() {
		return id, nil
	}
	_, err := w.clerk.Change(ctx, ledger.Mutation{Action: "AttachInternetGateway", Part: part, Done: map[string]bool{"Resource.AlreadyAssociated": true},
		Call: func(ctx context.Context) (string, error) {
			_, err := w.api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &id, VpcId: &w.vpc}, cloud.Once)
			return id, err
		}})
	return id, err
}

// makeRoute sends what is not the VPC's through the gateway. A second one for the same
// destination is refused, so a call that was lost may be repeated.
func (w *network) makeRoute(ctx context.Context, gateway string) error {
	part := w.part("route")
	if rec := w.mem.Get("CreateRoute", part); rec.Made() {
		return nil
	}
	_, err := w.clerk.Change(ctx, ledger.Mutation{Action: "CreateRoute", Part: part, Done: map[string]bool{"RouteAlreadyExists": true},
		Call: func(ctx context.Context) (string, error) {
			out, err := w.api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
				cloud.Filter("vpc-id", w.vpc), cloud.Filter("association.main", "true")}})
			if err != nil {
				return "", err
			}
			if len(out.RouteTables) == 0 {
				return "", fmt.Errorf("%s has no main route table yet", w.vpc)
			}
			table := out.RouteTables[0].RouteTableId
			_, err = w.api.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: table, GatewayId: &gateway, DestinationCidrBlock: aws.String("0.0.0.0/0")}, cloud.Once)
			return aws.ToString(table), err
		}})
	return err
}

// subnet is the subnet in a zone. In a VPC of our own it is made when it is needed;
// several nodes may need it at once.
func (w *network) subnet(ctx context.Context, zone string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.subnets[zone] != "" {
		return w.subnets[zone], nil
	}
	if w.st.Plan.EC2.VPC != ownVPC {
		return "", &PlanError{Region: w.name, Problem: fmt.Sprintf("%s has no subnet in %s", w.vpc, zone), Fix: "write vpc: own under ec2: in the spec"}
	}
	part := w.part("subnet/" + zone)
	if rec := w.mem.Get("CreateSubnet", part); rec.Made() {
		w.subnets[zone] = rec.ID
		return rec.ID, nil
	}
	// The place of the zone among those of the region: no other zone has it.
	number := slices.Index(w.zones, zone)
	id, err := w.clerk.Change(ctx, ledger.Mutation{Action: "CreateSubnet", Part: part,
		Find: w.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
			out, err := w.api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filters})
			if err == nil {
				for _, s := range out.Subnets {
					ids = append(ids, s.SubnetId)
				}
			}
			return ids, err
		}),
		Call: func(ctx context.Context) (string, error) {
			out, err := w.api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &w.vpc, AvailabilityZone: &zone,
				CidrBlock:         aws.String(fmt.Sprintf("10.%d.%d.0/24", w.number(), number)),
				TagSpecifications: cloud.Specify(types.ResourceTypeSubnet, w.tags(part))}, cloud.Once)
			if err != nil {
				return "", err
			}
			return aws.ToString(out.Subnet.SubnetId), nil
		}})
	w.subnets[zone] = id
	return id, err
}
