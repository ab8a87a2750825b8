package cloud

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Console is the output of an instance's console: the latest, where the type of the
// instance keeps that, else what EC2 keeps from its boot: then it is late.
func (r Region) Console(ctx context.Context, id string) (text string, late bool, err error) {
	out, err := r.API.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: aws.Bool(true)})
	if Code(err) == "UnsupportedOperation" {
		late = true
		out, err = r.API.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id})
	}
	if err != nil {
		return "", late, err
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
	if err != nil {
		return "", late, fmt.Errorf("decode the console of %s: %w", id, err)
	}
	return string(raw), late, nil
}
