package places

import (
	"context"
	"io/fs"
	"time"

	"crossring/internal/topology"
)

// lostHost is a host that can't be spoken of: whatever it is asked, it answers with
// why.
type lostHost struct{ err error }

func (h lostHost) Put(context.Context, string, []byte, fs.FileMode) error { return h.err }
func (h lostHost) Start(context.Context) error                            { return h.err }
func (h lostHost) Stop(context.Context, time.Duration) error              { return h.err }
func (h lostHost) State(context.Context) (topology.Process, error)        { return topology.Process{}, h.err }
func (h lostHost) Tail(context.Context, int) ([]string, error)            { return nil, h.err }
