// Package awsfault is an EC2 for tests: a moto server, and in front of it a proxy
// that refuses what EC2 refuses and moto takes, and that fails on request the way a
// network, a busy account or a full zone fails. What was really made is counted
// behind the proxy, at moto itself.
package awsfault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// motoVersion is the release of moto whose behaviour the proxy makes up for.
const motoVersion = "5.2.1"

// Moto is a running moto server.
type Moto struct {
	URL string
	cmd *exec.Cmd
	end io.Closer // ends it when it is closed, by whomever
}

// InstallMoto puts moto into a virtual environment of its own below cache, once, and
// returns the path of its server.
func InstallMoto(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "moto-"+motoVersion)
	server := filepath.Join(dir, "bin", "moto_server")
	if _, err := os.Stat(server); err == nil {
		return server, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("install moto: %w", err)
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "--quiet", "moto[ec2,server]==" + motoVersion},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", errors.Join(fmt.Errorf("install moto: %s: %w\n%s", args[0], err, out), os.RemoveAll(dir))
		}
	}
	return server, nil
}

// launch is moto's server without what costs it half of its time: a line of log for each
// request, and a look at the disk for the list of its own modules.
const launch = `
import logging, sys
import moto.backends
modules = list(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: modules
import moto.moto_server.werkzeug_app as app
if hasattr(app, "list_of_moto_modules"):
    app.list_of_moto_modules = lambda: modules
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import main
sys.exit(main())
`

// StartMoto starts a server on a free port of 127.0.0.1, and waits until it answers.
func StartMoto(ctx context.Context, server, logFile string) (*Moto, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	defer log.Close()
	// The shell reads from a pipe whose other end is this process: should that be killed,
	// the kernel closes it, and no server is left.
	m := &Moto{URL: "http://127.0.0.1:" + port, cmd: exec.Command("sh", "-c", `"$@" & read -r _; kill $!; wait $!`, "sh",
		filepath.Join(filepath.Dir(server), "python"), "-c", launch, "-H", "127.0.0.1", "-p", port)}
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if m.end, err = m.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/moto-api/", nil)
		if err != nil {
			return nil, errors.Join(err, m.Stop())
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			return m, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for moto to answer: %w", ctx.Err()), m.Stop())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Reset makes moto forget everything, terminated instances above all: it keeps them,
// and slows down.
func (m *Moto) Reset(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL+"/moto-api/reset", nil)
	if err != nil {
		return fmt.Errorf("reset moto: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reset moto: %w", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("reset moto: %s", res.Status)
	}
	return nil
}

// Stop ends the server, and waits for its end.
func (m *Moto) Stop() error {
	if err := m.end.Close(); err != nil {
		return fmt.Errorf("stop moto: %w", err)
	}
	_ = m.cmd.Wait() // it was killed, and says so
	return nil
}
