package ec2

import (
	"context"

	"crossring/provision/ec2/cloud"
)

// Ready finds credentials, without asking EC2 for anything. Without any it is a
// *cloud.CredentialsError.
func (p Provider) Ready(ctx context.Context) (string, error) {
	cfg, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return "", err
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", &cloud.CredentialsError{Err: err}
	}
	return "credentials by " + c.Source, nil
}
