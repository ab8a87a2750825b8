// Package tunnels has the tunnels to machines of a cluster: in the foreground and in the
// background, who stands, and connections through them.
package tunnels
