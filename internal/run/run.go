// Package run makes, removes, starts, stops and lists clusters: the verbs as functions,
// structs in, structs out, streams handed in, no flags. It ties the rooms together, spec to
// report, in one direction.
package run
