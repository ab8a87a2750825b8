package containers

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// Ready asks the Docker API that docker would use for its version. One that does not
// answer is an *UnreachableError.
func Ready(ctx context.Context) (string, error) {
	m, err := reach(ctx, "")
	if err != nil {
		return "", err
	}
	defer func() { _ = m.Close() }()
	v, err := m.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", &UnreachableError{Err: err}
	}
	return fmt.Sprintf("version %s at %s", v.Version, m.DaemonHost()), nil
}
