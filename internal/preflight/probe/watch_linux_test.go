package probe

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/preflight"
)

func TestWatch(t *testing.T) {
	w, err := watch([]int{1})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("not possible here: watching packets needs root's rights: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.close()

	const a = "127.0.0.1"
	from, ctx := start(t)
	port := free(t, a)
	if err := from.Watch(ctx, []int{port}); err != nil {
		t.Fatal(err)
	}
	tried, err := from.Dial(ctx, a, a, port, "", false)
	if err != nil || tried.State != preflight.Refused {
		t.Fatalf("%+v, %v", tried, err)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr(a), uint16(port))
	for {
		seen, err := from.Seen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sent, got := Sent(seen, tried.Local, to), Got(seen, tried.Local, port, nil)
		// On the loopback device both ends are the same; the refusal is an RST.
		if sent.Out == 1 && sent.In == 1 && got.In == 1 && got.Out == 1 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("sent %+v, got %+v of %v", sent, got, seen)
		case <-time.After(20 * time.Millisecond): // the watcher reads on its own
		}
	}
}
