package cluster

import (
	"crypto/tls"
	"io/fs"
	"os"
	"sync"
)

// LiveTLS is a client's configuration that follows its files: a load runs on while
// the CA and the certificate that it began with are replaced.
type LiveTLS struct {
	Cluster Cluster
	mu      sync.Mutex
	read    [2]fs.FileInfo // of the files as cfg has them
	cfg     *tls.Config
}

// Fresh is cfg with the trust and the identity that the files have now. While they
// can't be read, those of before go on.
func (l *LiveTLS) Fresh(cfg *tls.Config) *tls.Config {
	return WithIdentity(cfg, l.config())
}

// WithIdentity is cfg with the trust and the identity of another one; nil leaves it.
func WithIdentity(cfg, now *tls.Config) *tls.Config {
	if now == nil {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.RootCAs, cfg.Certificates, cfg.VerifyConnection = now.RootCAs, now.Certificates, now.VerifyConnection
	return cfg
}

// Changed says whether the files are others than when it was last asked, or made.
func (l *LiveTLS) Changed() bool {
	l.mu.Lock()
	before := l.cfg
	l.mu.Unlock()
	return l.config() != before
}

// config is the newest configuration that could be read; nil is none so far.
func (l *LiveTLS) config() *tls.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found [2]fs.FileInfo
	same := l.cfg != nil
	for i, name := range []string{TrustFile, ClientFile} {
		info, err := os.Stat(l.Cluster.TLSPath(name))
		if err != nil {
			return l.cfg
		}
		found[i] = info
		was := l.read[i]
		same = same && was != nil && os.SameFile(was, info) && was.ModTime().Equal(info.ModTime()) && was.Size() == info.Size()
	}
	if same {
		return l.cfg
	}
	// Looked at before it is read: what is written in between is found next time.
	if cfg, err := l.Cluster.ClientTLS(); err == nil {
		l.read, l.cfg = found, cfg
	}
	return l.cfg
}
