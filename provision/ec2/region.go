package ec2

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"crossring/internal/many"
	"crossring/provision/ec2/ledger"
)

// atOnce is how much of one sort is under way at a time: regions, nodes, things to remove.
const atOnce = 8

// connect finds credentials, before anything is asked.
func connect(ctx context.Context, pace Pace) (aws.Config, error) {
	// Reads are repeated by the SDK; it takes its time, because throttling is no
	// failure. Calls that change something are repeated here, where it is known what
	// a lost reply means.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = ledger.Attempts, pace.MaxPoll, ratelimit.None
		})
	}))
	if err != nil {
		return cfg, &CredentialsError{Err: err}
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // where credentials may have to be asked for
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return cfg, &CredentialsError{Err: err}
	}
	return cfg, nil
}

// region is one region of a cluster.
type region struct {
	*site
	name string
	api  *ec2.Client
	ssm  *ssm.Client
	// clerk makes the calls that change something; what EC2 holds back here, it does not
	// elsewhere.
	clerk *ledger.Clerk

	quotas *servicequotas.Client
	vcpus  int // of one instance of the plan's type

	zones []string // that have the instance type, in order
	vpc   string
	mu    sync.Mutex // of subnets
	// subnets of the VPC by zone.
	subnets map[string]string
	image   image
}

func (s *site) region(name string, cfg aws.Config) *region {
	cfg = cfg.Copy()
	cfg.Region = name
	return &region{site: s, name: name, api: ec2.NewFromConfig(cfg), ssm: ssm.NewFromConfig(cfg),
		clerk:  &ledger.Clerk{Ledger: s.mem, Region: name, Service: service{name}, Pace: s.Pace, Log: s.Log, Say: s.Say},
		quotas: servicequotas.NewFromConfig(cfg), subnets: map[string]string{}}
}

// once makes a call without the SDK's own repetitions.
func once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// part names one thing of the region in the journal and in its tag.
func (r *region) part(what string) string { return r.clerk.Part(what) }

// side does f for each of some side by side. One error alone stays as it is: that
// "some hosts" failed is for others to say.
func side[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	return many.Alone(many.Each(ctx, items, atOnce, f))
}

// join makes one error of several, in their order; one alone stays as it is.
func join(errs ...error) error { return many.Alone(many.Join(errs...)) }
