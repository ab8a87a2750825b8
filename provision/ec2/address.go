package ec2

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/many"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// address is an Elastic IP of a node.
type address struct {
	allocation string
	public     string
	instance   string // that it belongs to, "" while it belongs to none
}

// addresses allocates an Elastic IP for every node of the region, and tells them by
// node name. EC2 has no client token for that: an allocation whose reply was lost is
// looked for by its tag before the next try.
func (r *region) addresses(ctx context.Context) (map[string]address, error) {
	nodes := r.nodes()
	ids, err := many.Map(ctx, nodes, atOnce, func(ctx context.Context, n topology.Node) (string, error) {
		part := r.part("elastic-ip/" + n.Name)
		if id, ok := r.clerk.Made("AllocateAddress", part); ok {
			return id, nil
		}
		return r.clerk.Change(ctx, ledger.Mutation{Action: "AllocateAddress", Part: part,
			Find: r.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
				out, err := r.api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters})
				if err == nil {
					for _, a := range out.Addresses {
						ids = append(ids, a.AllocationId)
					}
				}
				return ids, err
			}),
			Call: func(ctx context.Context) (string, error) {
				in := &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc, TagSpecifications: cloud.Specify(types.ResourceTypeElasticIp, r.tags(part))}
				if group, local := n.BorderGroup(); local {
					in.NetworkBorderGroup = &group // the region's own addresses can't be used there
				}
				out, err := r.api.AllocateAddress(ctx, in, cloud.Once)
				if err != nil {
					return "", err
				}
				return aws.ToString(out.AllocationId), nil
			}})
	})
	found := map[string]address{}
	for i, n := range nodes {
		if ids[i] != "" {
			found[n.Name] = address{allocation: ids[i]}
		}
	}
	if err != nil {
		return found, many.Alone(err)
	}
	return found, r.readAddresses(ctx, found)
}

// readAddresses waits until EC2 shows all the addresses, and fills in what it shows.
func (r *region) readAddresses(ctx context.Context, of map[string]address) error {
	missing := ""
	for n := range r.Pace.Looks {
		if n > 0 {
			if err := ledger.Pause(ctx, r.Pace.Backoff(n-1)); err != nil {
				return err
			}
		}
		out, err := r.api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: r.cloud.Mine()})
		if err != nil {
			return fmt.Errorf("reading the addresses of %s: %w", r.name, err)
		}
		byID := map[string]types.Address{}
		for _, a := range out.Addresses {
			byID[aws.ToString(a.AllocationId)] = a
		}
		missing = ""
		for node, a := range of {
			seen, ok := byID[a.allocation]
			if !ok {
				missing = node
				continue
			}
			a.public, a.instance = aws.ToString(seen.PublicIp), aws.ToString(seen.InstanceId)
			of[node] = a
		}
		if missing == "" {
			return nil
		}
	}
	return &GoneError{Cluster: r.st.Plan.Name, Node: missing, What: "Elastic IP " + of[missing].allocation}
}

// associate gives each running instance its address.
func (r *region) associate(ctx context.Context, of map[string]address, instances map[string]types.Instance) error {
	var nodes []string
	for _, n := range r.nodes() {
		if i, ok := instances[n.Name]; ok && of[n.Name].instance != aws.ToString(i.InstanceId) {
			nodes = append(nodes, n.Name)
		}
	}
	return side(ctx, nodes, func(ctx context.Context, node string) error {
		_, err := r.clerk.Change(ctx, ledger.Mutation{Action: "AssociateAddress", Part: r.part("elastic-ip/" + node),
			Call: func(ctx context.Context) (string, error) {
				out, err := r.api.AssociateAddress(ctx, &ec2.AssociateAddressInput{AllocationId: aws.String(of[node].allocation),
					InstanceId: instances[node].InstanceId, AllowReassociation: aws.Bool(false)}, cloud.Once)
				if err != nil {
					return "", err
				}
				return aws.ToString(out.AssociationId), nil
			}})
		return err
	})
}
