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
	"crossring/stress/record"

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
		write record.Outcome
	}{
		{answered{gocql.ErrCodeUnavailable}, "unavailable", record.Failed},
		{answered{codeOverloaded}, "overloaded", record.Failed},
		{answered{codeBootstrapping}, "bootstrapping", record.Failed},
		{answered{gocql.ErrCodeSyntax}, "syntax_error", record.Failed},
		{answered{gocql.ErrCodeInvalid}, "invalid", record.Failed},
		{answered{gocql.ErrCodeUnauthorized}, "unauthorized", record.Failed},
		{answered{gocql.ErrCodeWriteTimeout}, "write_timeout", record.Unknown},
		{answered{gocql.ErrCodeWriteFailure}, "write_failure", record.Unknown},
		{answered{gocql.ErrCodeCDCWriteFailure}, "write_failure", record.Unknown},
		{answered{codeServer}, "server_error", record.Unknown},
		{answered{0x7777}, "error_7777", record.Unknown},
		{gocql.ErrNoConnections, "no_connection", record.Failed},
		{gocql.ErrNoStreams, "no_streams", record.Failed},
		{gocql.ErrSessionClosed, "session_closed", record.Failed},
		{gocql.MarshalError("x"), "arguments", record.Failed},
		{gocql.ErrTimeoutNoResponse, "client_timeout", record.Unknown},
		{context.DeadlineExceeded, "client_timeout", record.Unknown},
		{gocql.ErrConnectionClosed, "connection_lost", record.Unknown},
		{io.EOF, "connection_lost", record.Unknown},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "connection_lost", record.Unknown},
		{errors.New("anything else"), "connection_lost", record.Unknown},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			for _, rel := range release.All() {
				want := c.write
				// Bytecode of the versions with a lock: 1.2 and 2.2 send to one replica
				// before they look at the hints of the next one.
				if c.class == "overloaded" && (rel.Series == "1.2" || rel.Series == "2.2") {
					want = record.Unknown
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

// Rows that the driver turns away for want of a stream wait for one, and not longer than the run does.
func TestTurnedAwayUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &cluster{}
	if !c.sendable(ctx, gocql.ErrNoStreams, time.Now()) {
		t.Error("not made again while the run goes on")
	}
	cancel()
	if c.sendable(ctx, gocql.ErrNoStreams, time.Now()) {
		t.Error("made again after the run ended")
	}
}
