package cql

import (
	"errors"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	for name, c := range map[string]struct {
		have         []string
		views, there bool
		want         string
	}{
		"none":                  {nil, false, false, `GRANT CREATE ON ALL KEYSPACES TO "me";`},
		"none, virtual tables":  {nil, true, false, `GRANT CREATE ON ALL KEYSPACES TO "me"; GRANT SELECT ON KEYSPACE "system_views" TO "me";`},
		"all":                   {[]string{"CREATE <all keyspaces>", "SELECT <keyspace system_views>"}, true, false, ""},
		"all of all":            {[]string{"CREATE <all keyspaces>", "SELECT <all keyspaces>"}, true, false, ""},
		"on another one":        {[]string{"CREATE <keyspace other>"}, false, false, `GRANT CREATE ON ALL KEYSPACES TO "me";`},
		"there, none":           {nil, false, true, `GRANT CREATE ON KEYSPACE "k" TO "me"; GRANT MODIFY ON KEYSPACE "k" TO "me"; GRANT SELECT ON KEYSPACE "k" TO "me";`},
		"there, some":           {[]string{"CREATE <all keyspaces>", "SELECT <keyspace k>"}, false, true, `GRANT MODIFY ON KEYSPACE "k" TO "me";`},
		"there, a table's only": {[]string{"CREATE <keyspace k>", "SELECT <keyspace k>", "MODIFY <table k.t>"}, false, true, `GRANT MODIFY ON KEYSPACE "k" TO "me";`},
	} {
		if got := strings.Join(missing(c.have, c.views, "me", "k", c.there), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := GrantsToMake(`a"b`); got[0] != `GRANT CREATE ON ALL KEYSPACES TO "a""b";` {
		t.Error(got)
	}
	// An error of another kind is not said to be for want of rights, nor one without a login.
	err := errors.New("x")
	if got := Lacking(err, &Login{User: "me"}, nil); got != err || Lacking(nil, &Login{}, nil) != nil {
		t.Error(got)
	}
}
