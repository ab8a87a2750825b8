// Package grow changes a running cluster: nodes come, go and are replaced, by steps that are
// on disk before they are done.
package grow
