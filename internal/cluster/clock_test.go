package cluster

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"crossring/internal/deploy/sshhost"
	"crossring/internal/deploy/sshhost/sshdtest"
)

func TestClockOffset(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	m := sshhost.New(sshhost.Config{
		Address: s.Address, Port: s.Port, User: s.User, Identity: s.Identity, NoRoot: true,
		KnownHosts: filepath.Join(t.TempDir(), "known_hosts"), TrustFirst: true,
	})
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const ahead = 3 * time.Hour
	for _, d := range []time.Duration{0, ahead, -ahead} {
		off, margin, err := ClockOffset(ctx, m, func() time.Time { return time.Now().Add(-d) })
		if err != nil {
			t.Fatal(err)
		}
		if wrong := (off - d).Abs(); wrong > margin {
			t.Errorf("a clock %s ahead: %s, give or take %s", d, off, margin)
		}
	}
}
