//go:build !unix

package clustercli

// resizes has nothing to tell here.
func resizes(int) (sizes <-chan [2]int, stop func()) { return nil, func() {} }
