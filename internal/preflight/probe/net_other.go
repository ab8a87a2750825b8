//go:build !linux

package probe

import (
	"context"
	"errors"
	"net"

	"crossring/internal/preflight"
)

// Elsewhere than on Linux a probe only connects: it watches nothing and traces
// nothing, and the diagnosis says what it could not know.
var errLinuxOnly = errors.New("only on Linux")

type watcher struct{}

func watch([]int) (*watcher, error) { return nil, errLinuxOnly }
func (*watcher) seen() []Packet     { return nil }
func (*watcher) close()             {}

func oldBindFirst(int)                                        {}
func limitSegments(int, int)                                  {}
func acked(*net.TCPConn) uint64                               { return 0 }
func pathMTU(*net.TCPConn) int                                { return 0 }
func trace(context.Context, request) ([]preflight.Hop, error) { return nil, errLinuxOnly }
