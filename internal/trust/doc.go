// Package trust has the certificates of a cluster: its CA, the identity of each node and of
// crossring itself, and their rotation while the cluster runs.
package trust
