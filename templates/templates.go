// Package templates holds the configuration files that a node is given, as
// text/template sources between the delimiters #{ and }#. Both are comments to
// YAML, properties files and Java argument files, so each source is itself a
// valid file of its kind and can be linted as it stands.
package templates

import "embed"

// Left and Right delimit an action in every file of FS.
const (
	Left  = "#{"
	Right = "}#"
)

// FS holds the sources, by the name of the file that they become; cassandra.yaml
// has one for each series, cassandra-1.2.yaml to cassandra-5.0.yaml.
//
//go:embed cassandra-*.yaml
//go:embed cassandra-rackdc.properties jolokia.properties jolokia-access.xml jvm.options logback.xml log4j-server.properties cassandra.service
var FS embed.FS
