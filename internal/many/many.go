// Package many does the same for many at once: so many at a time and no more, with
// what came of it, and what went wrong, in the order of the items.
package many

import (
	"context"
	"errors"
	"sync"

	"github.com/hashicorp/go-multierror"
)

// Each does f for every item, atOnce of them at a time (1 if it is less), and joins what
// went wrong.
func Each[T any](ctx context.Context, items []T, atOnce int, f func(context.Context, T) error) error {
	_, err := Map(ctx, items, atOnce, func(ctx context.Context, item T) (struct{}, error) { return struct{}{}, f(ctx, item) })
	return err
}

// Map is Each with a result for each item. There is one for each, also for those that
// failed.
//
// An end of ctx is f's to see, and f is called for all items even then: only f knows what
// it has for an item without waiting for anything.
func Map[T, R any](ctx context.Context, items []T, atOnce int, f func(context.Context, T) (R, error)) ([]R, error) {
	results, errs := make([]R, len(items)), make([]error, len(items))
	slots := make(chan struct{}, max(atOnce, 1))
	var wg sync.WaitGroup
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i], errs[i] = f(ctx, item)
		})
	}
	wg.Wait()
	return results, Join(errs...)
}

// Join makes one error of several, in their order, a line for each; nil counts for none.
// It is a *multierror.Error even with one in it: how many failed can be counted.
func Join(errs ...error) error {
	all := &multierror.Error{ErrorFormat: func(errs []error) string { return errors.Join(errs...).Error() }}
	for _, err := range errs {
		if err != nil {
			all.Errors = append(all.Errors, err)
		}
	}
	return all.ErrorOrNil()
}

// Alone takes an error out of the list of Join that it is alone in: where it does not
// matter of how many it was one.
func Alone(err error) error {
	if all, ok := err.(*multierror.Error); ok && len(all.Errors) == 1 { //nolint:errorlint // the list itself, not one further in
		return all.Errors[0]
	}
	return err
}
