// Package imds answers EC2 instance-metadata requests for one node, so that
// Cassandra's own EC2 snitches run on a computer that is no EC2 instance. A JVM
// reaches it as its HTTP proxy: request lines come in absolute form, and the
// handler looks at the path alone.
package imds

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Instance is what the metadata says of one node.
type Instance struct {
	ID      string
	Zone    string // us-east-1a
	Region  string
	Private string
	Public  string // "" while it has none
	// TokenRequired refuses requests without a token, as an instance launched with
	// HttpTokens=required does.
	TokenRequired bool
	// More is what is answered beside, by path.
	More map[string]string
}

// Handler answers both versions of the protocol, as an instance launched with
// HttpTokens=optional does: a request without a token is version 1, one with a
// token needs a valid one.
func Handler(in Instance) *Metadata {
	h := &Metadata{
		required: in.TokenRequired,
		tokens:   map[string]time.Time{},
		values: map[string]string{
			"/latest/meta-data/placement/availability-zone": in.Zone,
			"/latest/meta-data/placement/region":            in.Region,
			"/latest/meta-data/local-ipv4":                  in.Private,
			"/latest/meta-data/instance-id":                 in.ID,
		},
	}
	maps.Copy(h.values, in.More)
	h.SetPublic(in.Public)
	return h
}

// SetPublic gives the node another public address, "" for none. Tokens stay good.
func (h *Metadata) SetPublic(address string) {
	const path = "/latest/meta-data/public-ipv4"
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.values, path)
	if address != "" {
		h.values[path] = address
	}
}

// Metadata is the handler of one node.
type Metadata struct {
	required bool
	mu       sync.Mutex
	tokens   map[string]time.Time // token to its end
	values   map[string]string
}

const (
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	maxTTL      = 21600 // seconds, as on EC2
	maxTokens   = 1024  // a snitch asks for one at a time
)

func (h *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	if r.URL.Path == "/latest/api/token" {
		h.token(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if t := r.Header.Get(tokenHeader); (t != "" || h.required) && !h.valid(t) {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	v, ok := h.values[r.URL.Path]
	h.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	// The snitch of some versions reads a reply without a length as empty.
	w.Header().Set("Content-Length", strconv.Itoa(len(v)))
	_, _ = io.WriteString(w, v) // a client that went away has its answer
}

func (h *Metadata) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || ttl < 1 || ttl > maxTTL {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	raw := make([]byte, 28)
	rand.Read(raw) // never fails: it ends the process instead
	t := hex.EncodeToString(raw)
	h.mu.Lock()
	for old, end := range h.tokens {
		if time.Now().After(end) {
			delete(h.tokens, old)
		}
	}
	for len(h.tokens) >= maxTokens { // the one that would end first
		first := ""
		for old, end := range h.tokens {
			if first == "" || end.Before(h.tokens[first]) {
				first = old
			}
		}
		delete(h.tokens, first)
	}
	h.tokens[t] = time.Now().Add(time.Duration(ttl) * time.Second)
	h.mu.Unlock()
	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	w.Header().Set("Content-Length", strconv.Itoa(len(t)))
	_, _ = io.WriteString(w, t)
}

func (h *Metadata) valid(t string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	end, ok := h.tokens[t]
	return ok && time.Now().Before(end)
}
