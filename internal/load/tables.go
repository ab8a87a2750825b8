package load

import "crossring/internal/topology"

// Tables are those that the experiments make in crossring's keyspace.
func Tables(ks topology.Keyspace) []string {
	return []string{ks.Table, lagTable, latencyTable, backgroundTable}
}
