//go:build unix

package clustercli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// resizes tells a terminal's width and height each time they change, until stop.
func resizes(fd int) (sizes <-chan [2]int, stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	out := make(chan [2]int)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
			case <-done:
				return
			}
			width, height, err := term.GetSize(fd)
			if err != nil {
				continue
			}
			select {
			case out <- [2]int{width, height}:
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(changed)
		close(done)
	}
}
