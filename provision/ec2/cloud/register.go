package cloud

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go/middleware"

	"crossring/provision/ec2/sweep"
)

// Tags reads the tags of everything that a crossring made in a region, in the order of
// the things' ids, and what time it is by the last answer.
func (r Region) Tags(ctx context.Context) (sweep.Tagged, error) {
	var meta middleware.Metadata
	byID := map[string]map[string]string{}
	filters := []types.Filter{Filter("key", sweep.TagCluster, sweep.TagRun, sweep.TagOwner, sweep.TagExpires)}
	for p := ec2.NewDescribeTagsPaginator(r.API, &ec2.DescribeTagsInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return sweep.Tagged{}, fmt.Errorf("reading the tags of %s: %w", r.Name, err)
		}
		meta = out.ResultMetadata
		for _, t := range out.Tags {
			id := aws.ToString(t.ResourceId)
			if byID[id] == nil {
				byID[id] = map[string]string{}
			}
			byID[id][aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	var found sweep.Tagged
	found.At, _ = awsmiddleware.GetServerTime(meta)
	if got, ok := awsmiddleware.GetResponseAt(meta); ok && !found.At.IsZero() {
		found.Skew = got.Sub(found.At)
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		found.Tags = append(found.Tags, byID[id])
	}
	return found, nil
}

// Things lists what there is of one run.
func (r Region) Things(ctx context.Context, run string) ([]sweep.Thing, error) {
	return r.Scan(ctx, []types.Filter{Filter("tag:"+sweep.TagRun, run)})
}

// Launches are when the instances of one run that are not terminated were launched.
func (r Region) Launches(ctx context.Context, run string) ([]time.Time, error) {
	instances, err := r.Instances(ctx, []types.Filter{Filter("tag:"+sweep.TagRun, run)})
	if err != nil {
		return nil, err
	}
	var list []time.Time
	for _, i := range instances {
		if i.State == nil || i.State.Name == types.InstanceStateNameTerminated {
			continue
		}
		list = append(list, aws.ToTime(i.LaunchTime))
	}
	return list, nil
}
