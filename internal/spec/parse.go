package spec

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"crossring/internal/strict"
	"crossring/stress/record"
)

// Parse reads a cluster.yaml, fills in the defaults and checks everything. The
// name stands in front of each problem. The error, if any, lists every problem;
// see Problems.
func Parse(name string, data []byte) (Spec, error) {
	src := &source{file: name, lines: map[string]int{}}
	s := Spec{source: src}
	root, problem := strict.Load(data, "a spec")
	if problem != nil {
		return s, Join([]*Problem{{File: name, Line: problem.Line, Message: problem.Message}})
	}
	d := &decoder{source: src}
	d.spec(root, &s)
	if root.Kind != yaml.MappingNode {
		return s, Join(d.problems)
	}
	if s.Version == "" && !d.reported("version") {
		d.problem("version", "is missing: write version: %s", Version)
	}
	Defaults(&s)
	problems := d.problems
	for _, p := range check(s) {
		// What could not be read is reported already.
		if !d.reported(p.Path) {
			problems = append(problems, p)
		}
	}
	return s, Join(problems)
}

// spec reads the document. What it cannot read it leaves empty, and reports.
func (d *decoder) spec(root *yaml.Node, s *Spec) {
	d.source.lines[""] = root.Line
	d.mapping(root, "", []field{
		{"version", text(&s.Version)},
		{"name", text(&s.Name)},
		{"cluster_name", text(&s.ClusterName)},
		{"cassandra", versionText(&s.Cassandra)},
		{"partitioner", text(&s.Partitioner)},
		{"provider", text(&s.Provider)},
		{"regions", func(d *decoder, n *yaml.Node, path string) { d.regions(n, path, s) }},
		{"naming", text(&s.Naming)},
		{"num_tokens", whole(&s.NumTokens, 1)},
		{"disks", group(
			field{"data", text(&s.Disks.Data)},
			field{"commitlog", text(&s.Disks.Commitlog)},
			field{"saved_caches", text(&s.Disks.SavedCaches)},
		)},
		{"heap_mb", whole(&s.HeapMB, minHeapMB)},
		{"rtt_ms", func(d *decoder, n *yaml.Node, path string) { d.roundTrips(n, path, s) }},
		{"lines", func(d *decoder, n *yaml.Node, path string) { d.lines(n, path, s) }},
		{"keyspace", group(
			field{"name", text(&s.Keyspace.Name)},
			field{"table", text(&s.Keyspace.Table)},
			field{"replication", func(d *decoder, n *yaml.Node, path string) { d.replication(n, path, s) }},
		)},
		{"hosts", text(&s.Hosts)},
		{"cassandra_mirror", text(&s.CassandraMirror)},
		{"ec2", func(d *decoder, n *yaml.Node, path string) { d.ec2(n, path, s) }},
		{"ccm", func(d *decoder, n *yaml.Node, path string) { d.ccm(n, path, s) }},
		{"containers", func(d *decoder, n *yaml.Node, path string) { d.containers(n, path, s) }},
		{"tls", func(d *decoder, n *yaml.Node, path string) { d.tls(n, path, s) }},
		{"settings", func(d *decoder, n *yaml.Node, path string) { d.settings(n, path, s) }},
		{"stress", group(
			field{"rows", whole(&s.Stress.Rows, 1)},
			field{"value_bytes", whole(&s.Stress.ValueBytes, record.MinValueBytes)},
			field{"in_flight", whole(&s.Stress.InFlight, 1)},
			field{"rate", number(&s.Stress.Rate)},
			field{"write_consistency", text(&s.Stress.WriteCL)},
			field{"read_consistency", text(&s.Stress.ReadCL)},
			field{"write_datacenter", text(&s.Stress.WriteDC)},
			field{"read_datacenter", text(&s.Stress.ReadDC)},
			field{"missing_deadline", duration(&s.Stress.MissingDeadline)},
		)},
	})
	s.Stress.WriteCL = strings.ToUpper(s.Stress.WriteCL)
	s.Stress.ReadCL = strings.ToUpper(s.Stress.ReadCL)
	if short, ok := partitioner(s.Partitioner); ok {
		s.Partitioner = short
	}
}

func (d *decoder) regions(n *yaml.Node, path string, s *Spec) {
	if !d.kind(n, path, yaml.SequenceNode, "a list") {
		return
	}
	for i, item := range n.Content {
		var r Region
		at := fmt.Sprintf("%s[%d]", path, i)
		d.source.lines[at] = item.Line
		group(
			field{"region", text(&r.Region)},
			field{"zone", text(&r.Zone)},
			field{"nodes", whole(&r.Nodes, 1)},
			field{"dc_suffix", versionText(&r.DCSuffix)},
		)(d, item, at)
		s.Regions = append(s.Regions, r)
	}
}

func (d *decoder) replication(n *yaml.Node, path string, s *Spec) {
	factors := map[string]int{}
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		var rf int
		if whole(&rf, 1)(d, value, at); rf > 0 {
			factors[key] = rf
		}
	})
	if len(factors) > 0 {
		s.Keyspace.Replication = factors
	}
}

func (d *decoder) settings(n *yaml.Node, path string, s *Spec) {
	settings := map[string]any{}
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		settings[key] = d.value(value, at, 0)
	})
	if len(settings) > 0 {
		s.Settings = settings
	}
}

// duration keeps a duration in the form that time.Duration prints, so that 120s
// and 2m compare as equal.
func duration(to *string) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		var value string
		if versionText(&value)(d, n, path); d.reported(path) {
			return
		}
		span, err := ParseDuration(value)
		if err != nil {
			d.problem(path, "%s", err)
			return
		}
		*to = span.String()
	}
}

// durationPattern is what time.ParseDuration reads, however long it is.
var durationPattern = regexp.MustCompile(`^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$`)

// ParseDuration is time.ParseDuration with errors for people.
func ParseDuration(value string) (time.Duration, error) {
	span, err := time.ParseDuration(value)
	switch {
	case err == nil:
		return span, nil
	case durationPattern.MatchString(value):
		return 0, fmt.Errorf("%s is longer than any duration that is read here: at most %s", value, hours(math.MaxInt64))
	}
	return 0, fmt.Errorf("%q is not a duration: write it with its unit, such as 120s", value)
}

// finite says whether f is a number that JSON has.
func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }
