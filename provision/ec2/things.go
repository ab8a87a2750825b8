package ec2

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/sweep"
)

// Tags of everything that is made.
const (
	TagCluster = sweep.TagCluster
	TagRun     = sweep.TagRun
	TagOwner   = sweep.TagOwner
	TagExpires = sweep.TagExpires
	TagPart    = sweep.TagPart
	tagName    = "Name"
)

// Thing is one resource of a cluster.
type Thing = sweep.Thing

// tags are those of one part, as EC2 takes them at creation.
func (r *region) tags(part string) []types.Tag {
	return cloud.TagList(map[string]string{
		TagCluster: r.st.Plan.Name, TagRun: r.st.Run, TagOwner: r.st.Owner, TagPart: part,
		TagExpires: r.st.Expires.UTC().Format(time.RFC3339),
		tagName:    r.st.Plan.Name + " " + strings.TrimPrefix(part, r.name+"/"),
	})
}

// findPart finds the id of a thing by its tag.
func (r *region) findPart(part string, find func(ctx context.Context, filters []types.Filter) ([]*string, error)) func(context.Context) (string, error) {
	return r.clerk.Standing(func(ctx context.Context) ([]string, error) {
		found, err := find(ctx, append(r.cloud.Mine(), cloud.Filter("tag:"+TagPart, part)))
		ids := make([]string, len(found))
		for i, id := range found {
			ids[i] = aws.ToString(id)
		}
		return ids, err
	})
}
