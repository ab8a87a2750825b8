package ask

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/gocql/gocql"

	"crossring/internal/attach"
	"crossring/internal/cql"
)

// saying says something to whoever comes, and has had enough.
func saying(what []byte) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write(what) // who has gone by then is told nothing
		_ = c.Close()
	}
}

// A point at which nothing listens, and one at which something listens that is no node.
func TestKnockAtNobody(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"nobody":    nil,
		"silence":   saying(nil),
		"http":      saying([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
		"half":      saying([]byte{0x84, 0, 0, 0, 2}),
		"too much":  saying([]byte{0x84, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
		"a request": saying(writeFrame(4, opStartup, startup())), // a client, not a server
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := attach.Point{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
		if serve == nil {
			l.Close()
		} else {
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go serve(c)
				}
			}()
		}
		_, err = Discover(t.Context(), Request{Points: []attach.Point{at}, Login: &cql.Login{User: "u", Password: "geheim"}})
		var none *NoAnswerError
		if !errors.As(err, &none) || !strings.Contains(err.Error(), at.String()) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever answers, it is read or refused, and never more of it than an answer has.
func FuzzReadFrame(f *testing.F) {
	f.Add(writeFrame(4, opReady, nil))
	f.Add([]byte{0x84, 0, 0, 0, opError, 0, 0, 0, 7, 0, 0, 1, 0, 0, 1, 'x'})
	f.Add([]byte{0x81, 0, 0, opError, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0})
	f.Add([]byte("HTTP/1.1 400"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(a.body) > mostBody || a.version < 1 || a.version > 6 {
			t.Fatalf("%+v", a)
		}
		var refused *RefusedError
		if err := refusal(a.body); err == nil || !errors.As(err, &refused) && !errors.Is(err, errNotCQL) {
			t.Fatalf("%v", err)
		}
	})
}

// Frames are as the specifications of the protocol have them.
func TestFrames(t *testing.T) {
	if got := writeFrame(4, opStartup, []byte("ab")); !bytes.Equal(got, []byte{4, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b'}) {
		t.Errorf("%v", got)
	}
	if got := writeFrame(1, opStartup, nil); !bytes.Equal(got, []byte{1, 0, 0, 1, 0, 0, 0, 0}) {
		t.Errorf("%v", got)
	}
	if got := plainLogin("a", "bc"); !bytes.Equal(got, []byte{0, 0, 0, 5, 0, 'a', 0, 'b', 'c'}) {
		t.Errorf("%v", got)
	}
	a, err := readFrame(bytes.NewReader([]byte{0x81, 0, 0, opError, 0, 0, 0, 8, 0, 0, 0, 10, 0, 2, 'n', 'o'}))
	var refused *RefusedError
	if err != nil || a.version != 1 || !errors.As(refusal(a.body), &refused) || refused.Code != codeProtocol || refused.Message != "no" {
		t.Errorf("%+v, %v, %+v", a, err, refused)
	}
}

// Rows as the driver hands them out, of several releases.
func TestMember(t *testing.T) {
	id := gocql.TimeUUID()
	for name, c := range map[string]struct {
		row  map[string]any
		want attach.Member
	}{
		"1.2":     {map[string]any{"peer": "192.0.2.1", "rpc_address": net.IPv4(10, 0, 0, 1), "host_id": id, "tokens": []string{"1"}}, attach.Member{HostID: id.String(), Broadcast: "192.0.2.1", Address: "10.0.0.1", Tokens: []string{"1"}}},
		"4.0":     {map[string]any{"peer": "::ffff:192.0.2.1", "native_address": "10.0.0.1", "native_port": 9142, "rpc_address": "10.0.0.9", "release_version": "4.0.1"}, attach.Member{Broadcast: "192.0.2.1", Address: "10.0.0.1", Port: 9142, Version: "4.0.1"}},
		"nulls":   {map[string]any{"peer": nil, "host_id": gocql.UUID{}, "rpc_address": net.IP(nil), "tokens": []string(nil), "native_port": nil}, attach.Member{}},
		"nothing": {nil, attach.Member{}},
	} {
		got := member(c.row, "peer", "native_port", "native_address", "rpc_address")
		if got.HostID != c.want.HostID || got.Broadcast != c.want.Broadcast || got.Address != c.want.Address || got.Port != c.want.Port || got.Version != c.want.Version || len(got.Tokens) != len(c.want.Tokens) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
