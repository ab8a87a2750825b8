// Package cluster opens a cluster: its directory, its inventory, its release and its place, and
// does with its nodes what every verb needs: who they are by name, the files that they read,
// starting and stopping their servers, the wait for the ring.
package cluster
