package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"sync"
	"time"

	"crossring/internal/cluster"
)

// loaderIdentity is what a loader is told while it runs, when the cluster's certificates
// have been replaced: PEM, as in loaderConfig.
type loaderIdentity struct {
	TLSTrust    string `json:"tls_trust"`
	TLSIdentity string `json:"tls_identity"`
}

// toldTLS is a loader's trust and identity as it was last told.
type toldTLS struct {
	mu  sync.Mutex
	cfg *tls.Config // nil is as at first
}

// Fresh is cfg with what counts by now.
func (t *toldTLS) Fresh(cfg *tls.Config) *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cluster.WithIdentity(cfg, t.cfg)
}

// listen takes what a loader is told, line by line. What can't be read changes nothing.
func (t *toldTLS) listen(r *bufio.Reader) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return // a line without an end was cut off
		}
		var id loaderIdentity
		if json.Unmarshal(line, &id) != nil {
			continue
		}
		cfg, err := cluster.ClientConfig([]byte(id.TLSTrust), []byte(id.TLSIdentity))
		if err != nil {
			continue
		}
		t.mu.Lock()
		t.cfg = cfg
		t.mu.Unlock()
	}
}

// identityEvery is how often the files of the certificates are looked at for loaders.
const identityEvery = 250 * time.Millisecond

// identities gives loaders on machines the cluster's certificates when they are replaced
// while they run: as lines of loaderIdentity, until ctx ends. first are those that they
// began with.
func identities(ctx context.Context, c cluster.Cluster, first loaderIdentity, out io.Writer) {
	live := &cluster.LiveTLS{Cluster: c}
	given := first
	tick := time.NewTicker(identityEvery)
	defer tick.Stop()
	for {
		if live.Changed() {
			trust, identity, err := c.TLSFiles()
			now := loaderIdentity{TLSTrust: string(trust), TLSIdentity: string(identity)}
			if err == nil && now != given {
				if json.NewEncoder(out).Encode(now) != nil {
					return // the loader has ended
				}
				given = now
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
