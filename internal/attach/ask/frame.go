package ask

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Opcodes of the native protocol that a greeting takes.
const (
	opError         = 0x00
	opStartup       = 0x01
	opReady         = 0x02
	opAuthenticate  = 0x03
	opAuthChallenge = 0x0e
	opAuthResponse  = 0x0f
	opAuthSuccess   = 0x10
)

// Codes of errors that a greeting may meet.
const (
	codeProtocol    = 0x000a
	codeCredentials = 0x0100
)

// mostBody bounds the body of an answer to a greeting: what is longer is no such answer.
const mostBody = 64 << 10

// errNotCQL says that what was read is no answer of the native protocol.
var errNotCQL = errors.New("what answered does not speak CQL")

// answer is a frame that a node sent.
type answer struct {
	version int // of the protocol
	op      byte
	body    []byte
}

// writeFrame is a request of a version of the protocol.
func writeFrame(version int, op byte, body []byte) []byte {
	head := []byte{byte(version), 0, 0} // no flags, stream 0
	if version > 2 {
		head = append(head, 0)
	}
	head = binary.BigEndian.AppendUint32(append(head, op), uint32(len(body)))
	return append(head, body...)
}

// readFrame reads an answer, whatever version it is of.
func readFrame(r io.Reader) (answer, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return answer{}, err
	}
	a := answer{version: int(head[0] & 0x7f)}
	if head[0]&0x80 == 0 || a.version < 1 || a.version > 6 {
		return a, errNotCQL
	}
	n := 8
	if a.version > 2 {
		n = 9
	}
	if _, err := io.ReadFull(r, head[1:n]); err != nil {
		return a, err
	}
	a.op = head[n-5]
	size := binary.BigEndian.Uint32(head[n-4 : n])
	if size > mostBody {
		return a, errNotCQL
	}
	a.body = make([]byte, size)
	_, err := io.ReadFull(r, a.body)
	return a, err
}

// text takes a string off the front of a body.
func text(body []byte) (s string, rest []byte, err error) {
	if len(body) < 2 {
		return "", nil, errNotCQL
	}
	n := int(binary.BigEndian.Uint16(body))
	if len(body) < 2+n {
		return "", nil, errNotCQL
	}
	return string(body[2 : 2+n]), body[2+n:], nil
}

// startup is the body of the first request.
func startup() []byte {
	b := binary.BigEndian.AppendUint16(nil, 1)
	for _, s := range []string{"CQL_VERSION", "3.0.0"} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

// plainLogin is the body of the answer to a node that asks who is there.
func plainLogin(user, password string) []byte {
	token := "\x00" + user + "\x00" + password
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
}

// RefusedError is what a node said instead of letting somebody in.
type RefusedError struct {
	Code    int // the protocol's
	Message string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("it says: %s", e.Message) }

// refusal reads the body of an error.
func refusal(body []byte) error {
	if len(body) < 4 {
		return errNotCQL
	}
	message, _, err := text(body[4:])
	if err != nil {
		return err
	}
	return &RefusedError{Code: int(binary.BigEndian.Uint32(body)), Message: message}
}
