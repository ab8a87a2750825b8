package many

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-multierror"
)

// Results and errors come in the order of the items, whoever was done first.
func TestMapKeepsTheOrder(t *testing.T) {
	const n = 4
	// The last item is done first: each waits for the one behind it.
	done := make([]chan struct{}, n+1)
	for i := range done {
		done[i] = make(chan struct{})
	}
	close(done[n])
	items := []int{0, 1, 2, 3}
	got, err := Map(t.Context(), items, n, func(_ context.Context, i int) (string, error) {
		<-done[i+1]
		defer close(done[i])
		if i%2 == 1 {
			return "half", fmt.Errorf("item %d: %w", i, fs.ErrNotExist)
		}
		return fmt.Sprint(i), nil
	})
	if !slices.Equal(got, []string{"0", "half", "2", "half"}) {
		t.Errorf("results %q", got)
	}
	if err == nil || err.Error() != "item 1: file does not exist\nitem 3: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// No more than so many run at a time, and as many as that do.
func TestEachIsBounded(t *testing.T) {
	for _, c := range []struct{ items, atOnce, want int }{{20, 3, 3}, {2, 8, 2}, {5, 1, 1}, {5, 0, 1}, {0, 4, 0}} {
		var now, most, calls atomic.Int32
		full := make(chan struct{}) // closed when as many run as may
		err := Each(t.Context(), make([]int, c.items), c.atOnce, func(context.Context, int) error {
			calls.Add(1)
			n := now.Add(1)
			defer now.Add(-1)
			for {
				m := most.Load()
				if n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			if int(n) == c.want {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			<-full // all wait until it is full: then it was that full
			return nil
		})
		if err != nil || int(most.Load()) != c.want || int(calls.Load()) != c.items {
			t.Errorf("%d items, %d at once: %d calls, %d at once, %v", c.items, c.atOnce, calls.Load(), most.Load(), err)
		}
	}
}

// When the context has ended, f still has its say for each item.
func TestEachAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	err := Each(ctx, []string{"a", "b"}, 1, func(ctx context.Context, item string) error {
		if calls++; item == "a" {
			return nil // there is nothing to wait for
		}
		return fmt.Errorf("%s: %w", item, ctx.Err())
	})
	if calls != 2 || !errors.Is(err, context.Canceled) || err.Error() != "b: context canceled" {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestJoin(t *testing.T) {
	one := errors.New("one")
	for name, c := range map[string]struct {
		errs []error
		want string
	}{
		"none":       {nil, ""},
		"nil":        {[]error{nil, nil}, ""},
		"one":        {[]error{nil, one}, "one"},
		"two":        {[]error{one, nil, errors.New("two")}, "one\ntwo"},
		"two in one": {[]error{Join(one, errors.New("two")), errors.New("three")}, "one\ntwo\nthree"},
	} {
		err := Join(c.errs...)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{Join(nil, one), Each(t.Context(), []int{1, 2, 3}, 2, func(_ context.Context, i int) error {
		if i == 2 {
			return one
		}
		return nil
	})} {
		var all *multierror.Error
		if !errors.As(err, &all) || len(all.Errors) != 1 {
			t.Errorf("of one that failed it is not known that it is one: %#v", err)
		}
		if Alone(err) != one { //nolint:errorlint // the very same
			t.Errorf("not alone: %#v", Alone(err))
		}
	}
	if two := Join(one, one); Alone(two) != two || Alone(nil) != nil || Alone(one) != one { //nolint:errorlint // the very same
		t.Error("what is not alone in a list is changed")
	}
}
