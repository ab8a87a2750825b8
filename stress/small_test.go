package stress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"syscall"
	"testing"
	"testing/quick"
	"time"

	"crossring/internal/release"

	"github.com/gocql/gocql"
)

func TestPacer(t *testing.T) {
	for _, c := range []struct {
		rate float64
		i    int64
		want time.Duration
	}{
		{0, 1000, 0},
		{1, 0, 0},
		{1, 3, 3 * time.Second},
		{1000, 1, time.Millisecond},
		{1000, 2500, 2500 * time.Millisecond},
		{0.5, 3, 6 * time.Second},
		{1e6, 86_400_000_001, 24*time.Hour + time.Microsecond},
		{3, 3_000_001, 1_000_000*time.Second + time.Second/3},
	} {
		if got := (pacer{c.rate}).due(c.i); (got - c.want).Abs() > 200*time.Nanosecond {
			t.Errorf("rate %v: operation %d is due at %v, want %v", c.rate, c.i, got, c.want)
		}
	}
	ascending := func(rate uint16, i uint32) bool {
		p := pacer{float64(rate) + 0.25}
		return p.due(int64(i)) <= p.due(int64(i)+1)
	}
	if err := quick.Check(ascending, nil); err != nil {
		t.Error(err)
	}
}

func TestBottlenecks(t *testing.T) {
	closed, paced := Phase{Rows: 1000, InFlight: 8}, Phase{Rows: 1000, InFlight: 8, Rate: 100}
	for name, c := range map[string]struct {
		p    Phase
		e    End
		want int
	}{
		"idle":       {paced, End{Seconds: 10, CPUMicros: 1e6, Cores: 2, LateStarts: 10}, 0},
		"late":       {paced, End{Seconds: 10, Cores: 2, LateStarts: 11}, 1},
		"cpu":        {closed, End{Seconds: 10, CPUMicros: 18.1e6, Cores: 2}, 1},
		"below":      {closed, End{Seconds: 10, CPUMicros: 17.9e6, Cores: 2}, 0},
		"both":       {paced, End{Seconds: 10, CPUMicros: 20e6, Cores: 2, LateStarts: 900}, 2},
		"notawaited": {closed, End{NotAwaited: 1}, 1},
	} {
		if got := bottlenecks(c.p, c.e); len(got) != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, c := range []struct {
		rate    float64
		rows    int64
		seconds float64
		warns   bool
	}{{0, 100, 1, false}, {100, 1000, 9.99, false}, {100, 1000, 10.2, true}, {100, 1, 5, false}} {
		if got := tooSlow(c.rate, c.rows, c.seconds); (got != "") != c.warns {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestRetryBacksOff(t *testing.T) {
	var got []time.Duration
	var wait time.Duration
	for range 12 {
		wait = missingRetry.next(wait)
		got = append(got, wait.Round(time.Millisecond))
	}
	want := []time.Duration{50, 75, 113, 169, 253, 380, 570, 854, 1281, 1922, 2000, 2000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestKeysAreSplit(t *testing.T) {
	even := func(gaps []uint8, loaders uint8) bool {
		var all Keys
		at := int64(-300)
		for _, g := range gaps {
			at += int64(g) + 1
			all = append(all, Range{at, int64(g%7) + 1})
			at += int64(g%7) + 1
		}
		n := max(1, int64(loaders))
		var keys []int64
		x := newIndex(all)
		for _, part := range all.Split(int(loaders)) {
			rows := part.Count()
			if part.check() != nil || rows < all.Count()/n || rows > all.Count()/n+1 {
				return false
			}
			for i, px := int64(0), newIndex(part); i < rows; i++ {
				keys = append(keys, px.key(i))
			}
		}
		for i, key := range keys {
			if key != x.key(int64(i)) || all.find(key) < 0 {
				return false
			}
		}
		return int64(len(keys)) == all.Count() && all.check() == nil
	}
	if err := quick.Check(even, nil); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for _, bad := range []Keys{{{1, 0}}, {{1<<63 - 2, 10}}, {{1, 5}, {6, 1}}, {{1, 5}, {3, 1}}, {{5, 1}, {1, 1}}} {
		if bad.check() == nil {
			t.Errorf("%v are keys", bad)
		}
	}
	if got, ok := join([]Range{{5, 5}, {0, 5}, {20, 1}, {12, 0}}); !ok || !reflect.DeepEqual(got, Keys{{0, 10}, {20, 1}}) {
		t.Errorf("joined: %v, %t", got, ok)
	}
	if _, ok := join([]Range{{0, 5}, {4, 5}}); ok {
		t.Error("ranges that overlap were joined")
	}
	if (Keys{}).find(1) != -1 || len((Keys{{0, 5}}).FirstN(0)) != 0 {
		t.Error("no keys have one")
	}
}

// Each run has keys of its own, with room for as many rows as a run may have.
func TestRunsHaveKeysOfTheirOwn(t *testing.T) {
	own := func(a, b uint64) bool {
		x, y := FirstKey(a), FirstKey(b)
		return x >= MaxRows && x+MaxRows > x && x%MaxRows == 0 && (x == y) == (a%9_223_372_035 == b%9_223_372_035)
	}
	if err := quick.Check(own, nil); err != nil {
		t.Error(err)
	}
	if !own(0, 1<<64-1) || !own(9_223_372_034, 9_223_372_035) {
		t.Error("the ends of the space are not its own")
	}
}

func TestLease(t *testing.T) {
	l := &lease{done: make(chan struct{})}
	l.begin(10)
	l.expire(10)
	if l.Err() != nil {
		t.Error("expired too early")
	}
	l.expire(11)
	<-l.Done()
	if !errors.Is(l.Err(), context.DeadlineExceeded) {
		t.Errorf("got %v", l.Err())
	}
	l.expire(12) // once is enough
	l.end()
	l.begin(20)
	if l.Err() != nil {
		t.Error("the next request begins expired")
	}
	l.end()
	l.expire(100)
	if l.Err() != nil {
		t.Error("expired without a request")
	}
}

type answered struct{ code int }

func (e answered) Code() int       { return e.code }
func (e answered) Message() string { return "m" }
func (e answered) Error() string   { return "m" }

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err   error
		class string
		write Outcome
	}{
		{answered{gocql.ErrCodeUnavailable}, "unavailable", Failed},
		{answered{codeOverloaded}, "overloaded", Failed},
		{answered{codeBootstrapping}, "bootstrapping", Failed},
		{answered{gocql.ErrCodeSyntax}, "syntax_error", Failed},
		{answered{gocql.ErrCodeInvalid}, "invalid", Failed},
		{answered{gocql.ErrCodeUnauthorized}, "unauthorized", Failed},
		{answered{gocql.ErrCodeWriteTimeout}, "write_timeout", Unknown},
		{answered{gocql.ErrCodeWriteFailure}, "write_failure", Unknown},
		{answered{gocql.ErrCodeCDCWriteFailure}, "write_failure", Unknown},
		{answered{codeServer}, "server_error", Unknown},
		{answered{0x7777}, "error_7777", Unknown},
		{gocql.ErrNoConnections, "no_connection", Failed},
		{gocql.ErrNoStreams, "no_streams", Failed},
		{gocql.ErrSessionClosed, "session_closed", Failed},
		{gocql.MarshalError("x"), "arguments", Failed},
		{gocql.ErrTimeoutNoResponse, "client_timeout", Unknown},
		{context.DeadlineExceeded, "client_timeout", Unknown},
		{gocql.ErrConnectionClosed, "connection_lost", Unknown},
		{io.EOF, "connection_lost", Unknown},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "connection_lost", Unknown},
		{errors.New("anything else"), "connection_lost", Unknown},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			for _, rel := range release.All() {
				want := c.write
				// Bytecode of the versions with a lock: 1.2 and 2.2 send to one replica
				// before they look at the hints of the next one.
				if c.class == "overloaded" && (rel.Series == "1.2" || rel.Series == "2.2") {
					want = Unknown
				}
				got := classify(err, rel.OverloadedOpen)
				if got.class != c.class || got.writeOutcome() != want {
					t.Errorf("%s: %v: %s, %v; want %s, %v", rel.Series, err, got.class, got.writeOutcome(), c.class, want)
				}
			}
		}
	}
}

func TestStatementArguments(t *testing.T) {
	bigintType := gocql.NewNativeType(4, gocql.TypeBigInt, "")
	blobType := gocql.NewNativeType(4, gocql.TypeBlob, "")
	k := bigint{0, 0, 0, 0, 0, 0, 1, 2}
	got, err := gocql.Marshal(bigintType, &k)
	want, wantErr := gocql.Marshal(bigintType, int64(258))
	if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("key %x, %v; want %x", got, err, want)
	}
	var seen []byte
	b := blob{bytes: []byte("abc"), see: func(v []byte) { seen = v }}
	if got, err := gocql.Marshal(blobType, &b); err != nil || string(got) != "abc" {
		t.Errorf("value %q, %v", got, err)
	}
	if err := gocql.Unmarshal(blobType, []byte("xyz"), &b); err != nil || string(seen) != "xyz" {
		t.Errorf("saw %q, %v", seen, err)
	}
}
