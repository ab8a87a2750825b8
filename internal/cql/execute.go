package cql

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocql/gocql"
)

// pageRows is how many rows are asked for, and held, at once. The protocol of 1.2 has no
// pages: there the server answers with all rows up to the statement's LIMIT, which is
// 10,000 where it has none.
const pageRows = 500

// Answer takes the answer to a statement row by row. An error ends it.
type Answer interface {
	// Columns comes first; there are none where a statement was done and has no rows to show.
	Columns(names []string) error
	// Row has a value for each column: see Word.
	Row(values []any) error
}

// Execute runs one statement, as it is, on any coordinator of the session. It holds one page
// of rows, however many there are.
func Execute(ctx context.Context, s *gocql.Session, statement string, to Answer) error {
	failed := func(err error) error { return fmt.Errorf("executing %q: %w", statement, err) }
	var state []byte
	for first := true; first || len(state) > 0; first = false {
		iter := s.Query(statement).PageSize(pageRows).PageState(state).WithContext(ctx).Iter()
		state = iter.PageState()
		changes := len(iter.Columns()) == 0 // or failed, which Close says
		err := page(iter, first && !changes, to)
		if closeErr := iter.Close(); closeErr != nil {
			return failed(closeErr)
		}
		if err == nil && changes {
			err = to.Columns(nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// page hands one page of an answer on.
func page(iter *gocql.Iter, first bool, to Answer) error {
	columns := iter.Columns()
	types, names := make([]typ, len(columns)), make([]string, len(columns))
	// The driver takes a tuple apart and then can't tell a null one from one of nulls. For the
	// time of the scan the columns are bytes to it; they may be a prepared statement's own.
	own := slices.Clone(columns)
	defer copy(columns, own)
	places := 0 // that the driver wants filled: one for each element of a tuple
	for i, c := range own {
		types[i], names[i] = typeOf(c.TypeInfo), c.Name
		places++
		if tuple, ok := c.TypeInfo.(gocql.TupleTypeInfo); ok {
			places += len(tuple.Elems) - 1
		}
		columns[i].TypeInfo = gocql.NewNativeType(c.TypeInfo.Version(), gocql.TypeBlob, "")
	}
	if first {
		if err := to.Columns(names); err != nil {
			return err
		}
	}
	cells, into := make([]raw, places), make([]any, places)
	for i := range into {
		into[i] = &cells[i]
	}
	for iter.Scan(into...) {
		values := make([]any, len(own))
		for i := range values {
			values[i] = decode(types[i], cells[i].data)
		}
		if err := to.Row(values); err != nil {
			return err
		}
	}
	return nil
}

// raw takes the bytes of a value as they are.
type raw struct{ data []byte }

// UnmarshalCQL keeps the bytes until the next row; nil is null.
func (r *raw) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	r.data = data
	return nil
}
