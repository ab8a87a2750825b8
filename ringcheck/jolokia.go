package ringcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// maxAnswer bounds what is read of an agent's answer, in bytes.
const maxAnswer = 64 << 20

// agent is the Jolokia agent of one node: JMX over HTTP.
type agent struct {
	node     topology.Node
	client   *http.Client
	password func() (string, error)
	cluster  string
}

// call is one request of a bulk: a read of attributes or the execution of an operation.
type call struct {
	Type      string      `json:"type"` // read or exec
	MBean     string      `json:"mbean"`
	Attribute any         `json:"attribute,omitempty"` // one name, or several
	Operation string      `json:"operation,omitempty"`
	Arguments []any       `json:"arguments,omitempty"`
	Config    *callConfig `json:"config,omitempty"`
}

type callConfig struct {
	// IgnoreErrors turns an attribute that cannot be read into an error text in
	// its place; otherwise one such attribute makes the whole read a 404.
	IgnoreErrors bool `json:"ignoreErrors"`
}

// reply answers one call of a bulk, each with a status of its own.
type reply struct {
	Status    int             `json:"status"`
	Value     json.RawMessage `json:"value"`
	ErrorType string          `json:"error_type"` // Java class name
	Error     string          `json:"error"`
}

// jmxError is a call that the agent refused or that threw in the node.
type jmxError struct {
	Status  int
	Type    string // Java class name
	Message string
}

func (e *jmxError) Error() string { return fmt.Sprintf("jmx: %s (status %d)", e.Message, e.Status) }

func (r reply) err() error {
	if r.Status == http.StatusOK {
		return nil
	}
	message := strings.TrimPrefix(r.Error, r.ErrorType+" : ")
	return &jmxError{Status: r.Status, Type: r.ErrorType, Message: message}
}

// decode puts the value of a call that went well into dst.
func (r reply) decode(dst any) error {
	if err := r.err(); err != nil {
		return err
	}
	return json.Unmarshal(r.Value, dst)
}

// DialFunc opens a connection to a port of a node.
type DialFunc func(ctx context.Context, node topology.Node, port int) (net.Conn, error)

// dialPrivate connects to the private address, where the agent listens.
func dialPrivate(ctx context.Context, node topology.Node, port int) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort(node.PrivateAddress, strconv.Itoa(port)))
}

// newAgent prepares a client that keeps one connection; close gives it back.
func newAgent(node topology.Node, q Query) *agent {
	dial := q.Dial
	if dial == nil {
		dial = dialPrivate
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, node, node.Ports.Jolokia)
		},
		MaxConnsPerHost:    1,
		DisableCompression: true,
	}
	return &agent{node: node, client: &http.Client{Transport: transport}, password: q.Password, cluster: q.Inventory.Plan.Name}
}

func (a *agent) close() { a.client.CloseIdleConnections() }

// bulk sends all calls in one request. The replies are in the order of the calls.
func (a *agent) bulk(ctx context.Context, calls []call) ([]reply, error) {
	body, err := json.Marshal(calls)
	if err != nil {
		return nil, fmt.Errorf("encoding jmx calls: %w", err)
	}
	target := "http://" + net.JoinHostPort(a.node.PrivateAddress, strconv.Itoa(a.node.Ports.Jolokia)) + "/jolokia/"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking jolokia of %s: %w", a.node.Name, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", release.AgentOrigin)
	if a.password != nil {
		password, err := a.password()
		if err != nil {
			return nil, fmt.Errorf("asking jolokia of %s: %w", a.node.Name, err)
		}
		if password != "" {
			req.SetBasicAuth(release.AgentUser, password)
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		var about *url.Error
		if errors.As(err, &about) {
			err = about.Err // method and address are said already
		}
		return nil, fmt.Errorf("asking jolokia of %s: %w", a.node.Name, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading jolokia's answer of %s: %w", a.node.Name, err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, &PasswordError{Cluster: a.cluster, Node: a.node.Name}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking jolokia of %s: http status %s", a.node.Name, resp.Status)
	}
	replies, err := decodeBulk(data, len(calls))
	if err != nil {
		return nil, fmt.Errorf("asking jolokia of %s: %w", a.node.Name, err)
	}
	return replies, nil
}

// PasswordError says that a node's agent does not take the cluster's password: it was
// started with another one.
type PasswordError struct{ Cluster, Node string }

func (e *PasswordError) Error() string {
	return fmt.Sprintf("the agent of %s does not take the password of cluster %s", e.Node, e.Cluster)
}

// Hint is the command that gives the node the password there is.
func (e *PasswordError) Hint() string { return "crossring restart " + e.Cluster + ":" + e.Node }

// decodeBulk takes an answer apart. One object instead of a list is an error of the whole request.
func decodeBulk(data []byte, want int) ([]reply, error) {
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		var one reply
		if err := json.Unmarshal(trimmed, &one); err != nil {
			return nil, fmt.Errorf("decoding jolokia's answer: %w", err)
		}
		if err := one.err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("decoding jolokia's answer: one reply to %d calls", want)
	}
	var replies []reply
	if err := json.Unmarshal(data, &replies); err != nil {
		return nil, fmt.Errorf("decoding jolokia's answer: %w", err)
	}
	if len(replies) != want {
		return nil, fmt.Errorf("decoding jolokia's answer: %d replies to %d calls", len(replies), want)
	}
	return replies, nil
}
