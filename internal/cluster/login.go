package cluster

import (
	"fmt"
	"path/filepath"

	"crossring/internal/cql"
	"crossring/internal/state"
)

// LoginFile, in a cluster's directory, has the password of the role that clients log in as.
const LoginFile = "login.password"

// Login is what clients log in to the nodes with; nil where those ask for nothing.
func (c Cluster) Login() (*cql.Login, error) {
	user := c.Inv.User()
	if user == "" {
		return nil, nil
	}
	password, err := state.ReadPassword(filepath.Join(c.Dir, LoginFile))
	if err != nil {
		return nil, fmt.Errorf("log in to %s as %s: %w", c.Inv.Plan.Name, user, err)
	}
	return &cql.Login{User: user, Password: password}, nil
}
