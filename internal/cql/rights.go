package cql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/release"

	"github.com/gocql/gocql"
)

// Denied says whether a node refused a request for want of a right.
func Denied(err error) bool { return coded(err, gocql.ErrCodeUnauthorized) }

func coded(err error, code int) bool {
	var told gocql.RequestError
	return errors.As(err, &told) && told.Code() == code
}

// RightsError says which rights a role has not got.
type RightsError struct {
	User   string
	Grants []string // statements that give them
	Err    error    // what failed for it; nil when nothing has yet
}

func (e *RightsError) Error() string {
	s := fmt.Sprintf("the role %s has not all rights that are needed; whoever may grant them types: %s", e.User, strings.Join(e.Grants, " "))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *RightsError) Unwrap() error { return e.Err }

// Hint is the command that gives them, for whoever may.
func (e *RightsError) Hint() string { return plain.Command("cqlsh", "-e", strings.Join(e.Grants, " ")) }

// ExitCode is that of credentials that are missing.
func (e *RightsError) ExitCode() int { return fail.ExitPrerequisite }

// Lacking is an error of the login's role with the rights that it was for want of; any other
// error stays as it is.
func Lacking(err error, login *Login, grants []string) error {
	if login == nil || !Denied(err) {
		return err
	}
	return &RightsError{User: login.User, Grants: grants, Err: err}
}

// Rights on a keyspace.
const (
	rightCreate = "CREATE"
	rightModify = "MODIFY"
	rightSelect = "SELECT"
)

// GrantsToMake are the statements by which a role may make a keyspace, and then use it: who
// makes one has all rights on it.
func GrantsToMake(user string) []string {
	return []string{fmt.Sprintf("GRANT %s ON ALL KEYSPACES TO %s;", rightCreate, Quote(user))}
}

// GrantsToUse are the statements by which a role may use a keyspace that is there.
func GrantsToUse(user, keyspace string) []string {
	var all []string
	for _, right := range []string{rightCreate, rightModify, rightSelect} {
		all = append(all, grantOn(right, keyspace, user))
	}
	return all
}

func grantOn(right, keyspace, user string) string {
	return fmt.Sprintf("GRANT %s ON KEYSPACE %s TO %s;", right, Quote(keyspace), Quote(user))
}

// viewsKeyspace has the virtual tables that a ring is read by.
const viewsKeyspace = "system_views"

// Missing are the statements that give a role the rights that it has not got and needs: to read
// the ring, and to make a keyspace or, where it is there, to use it. It grants nothing. A
// cluster that asks nobody for rights has none missing, nor has one that does not tell.
func Missing(ctx context.Context, s *gocql.Session, rel release.Release, user, keyspace string, there bool) ([]string, error) {
	roles, err := s.Query("LIST ROLES OF " + Quote(user)).WithContext(ctx).Consistency(gocql.One).Iter().SliceMap()
	if coded(err, gocql.ErrCodeInvalid) || Denied(err) || coded(err, gocql.ErrCodeSyntax) {
		return nil, nil // it keeps no roles, or no rights
	}
	if err != nil {
		return nil, fmt.Errorf("listing the roles of %s: %w", user, err)
	}
	for _, r := range roles {
		if super, _ := r["super"].(bool); super {
			return nil, nil
		}
	}
	rows, err := s.Query("LIST ALL PERMISSIONS OF " + Quote(user)).WithContext(ctx).Consistency(gocql.One).Iter().SliceMap()
	if coded(err, gocql.ErrCodeInvalid) || Denied(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the rights of %s: %w", user, err)
	}
	var have []string
	for _, r := range rows {
		have = append(have, fmt.Sprint(r["permission"])+" "+fmt.Sprint(r["resource"]))
	}
	return missing(have, rel.VirtualTables, user, keyspace, there), nil
}

// missing is Missing for rights as Cassandra words them: "CREATE <keyspace a>".
func missing(have []string, views bool, user, keyspace string, there bool) []string {
	may := func(right, keyspace string) bool {
		return slices.Contains(have, right+" <all keyspaces>") || keyspace != "" && slices.Contains(have, right+" <keyspace "+keyspace+">")
	}
	var all []string
	switch {
	case there:
		for _, right := range []string{rightCreate, rightModify, rightSelect} {
			if !may(right, keyspace) {
				all = append(all, grantOn(right, keyspace, user))
			}
		}
	case !may(rightCreate, ""):
		all = append(all, GrantsToMake(user)...)
	}
	if views && !may(rightSelect, viewsKeyspace) {
		all = append(all, grantOn(rightSelect, viewsKeyspace, user))
	}
	return all
}

// GrantToDrop is the statement by which a role may take a keyspace away.
func GrantToDrop(user, keyspace string) string { return grantOn("DROP", keyspace, user) }
