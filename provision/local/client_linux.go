package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"crossring/internal/fail"
	"crossring/internal/plain"
)

// client speaks to the keeper of one cluster.
type client struct {
	cluster string
	dir     string
}

// call posts req (or gets, when it is nil) and decodes the answer into resp. A
// keeper that is not there is a *KeeperGoneError.
func (c client) call(ctx context.Context, path string, req, resp any) error {
	root, err := os.Open(c.dir)
	if err != nil {
		return c.notReached(err)
	}
	defer root.Close()
	hc := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socketPath(root))
		},
	}}
	method, body := http.MethodGet, []byte(nil)
	if req != nil {
		method = http.MethodPost
		if body, err = json.Marshal(req); err != nil {
			return fmt.Errorf("encode request to the keeper: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://keeper"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the keeper: %w", err)
	}
	got, err := hc.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for the keeper of %s: %w", c.cluster, ctx.Err())
		}
		return c.notReached(errors.Unwrap(err))
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		var bad reply
		if err := json.NewDecoder(got.Body).Decode(&bad); err != nil || bad.Error == "" {
			return fmt.Errorf("the keeper of %s answered %s", c.cluster, got.Status)
		}
		if bad.Refused {
			return fail.Usage("", errors.New(bad.Error), plain.Command("crossring", "fault", "show", c.cluster))
		}
		return errors.New(bad.Error)
	}
	if resp == nil {
		return nil
	}
	if err := json.NewDecoder(got.Body).Decode(resp); err != nil {
		return fmt.Errorf("read the keeper's answer: %w", err)
	}
	return nil
}

// notReached is why the keeper can't be asked: it is gone, or it is not ours.
func (c client) notReached(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &DeniedError{Cluster: c.cluster, Err: err}
	}
	return &KeeperGoneError{Cluster: c.cluster, Err: err}
}

// status asks what the keeper knows. It only looks into its memory, so one that
// does not answer soon hangs.
func (c client) status(ctx context.Context) (Status, error) {
	const deadline = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	var st Status
	err := c.call(ctx, "/status", nil, &st)
	return st, err
}
