package cloud

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"

	"crossring/provision/ec2/ledger"
)

// Connect finds credentials, before anything is asked. Longest is the longest pause
// between two attempts of a question.
func Connect(ctx context.Context, longest time.Duration) (aws.Config, error) {
	// Reads are repeated by the SDK; it takes its time, because throttling is no
	// failure. Calls that change something are repeated here, where it is known what
	// a lost reply means.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = ledger.Attempts, longest, ratelimit.None
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
