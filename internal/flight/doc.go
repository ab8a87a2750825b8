// Package flight carries out a preflight: it asks every machine of a cluster, sends probes
// between them, and hands what came to internal/preflight to decide.
package flight
