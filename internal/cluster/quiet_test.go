package cluster

import (
	"io"
	"log/slog"
	"time"
)

func QuietWorld() World {
	return World{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Report: noReport{}, Say: func(string, ...any) {}, Now: time.Now}
}

type noReport struct{}

func (noReport) Stage(string) func(error)      { return func(error) {} }
func (noReport) Progress(int64, int64, string) {}
