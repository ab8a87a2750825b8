package cluster

import "io"

// Streams are those of a program that runs in the foreground.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}
