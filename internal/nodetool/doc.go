// Package nodetool runs Cassandra's own nodetool on a node, with JMX on for that moment and
// for nobody else.
package nodetool
