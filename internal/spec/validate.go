package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"crossring/internal/release"
)

const (
	minHeapMB    = 128
	maxNodes     = 1000 // of a zone
	maxNumTokens = 1536 // Cassandra's own limit
)

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+)?$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]$`)
	zonePattern    = regexp.MustCompile(`^([a-z]{2,}(?:-[a-z]+)+-[0-9])(?:-[a-z]+-[0-9])?[a-z]$`)
	diskPattern    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	identifier     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)
	suffixPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	settingPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	providers      = []string{"local", "ec2", "hosts", "ccm", "containers"}
	namings        = []string{"legacy", "standard"}
	partitioners   = []string{"Murmur3Partitioner", "RandomPartitioner"}
)

// Validate checks a spec with its defaults filled in. The error, if any, lists
// every problem; see Problems.
func Validate(s Spec) error { return Join(check(s)) }

func check(s Spec) []*Problem {
	var problems []*Problem
	bad := func(path, format string, args ...any) {
		problems = append(problems, s.Problem(path, format, args...))
	}
	oneOf := func(path, value string, known []string) {
		if !slices.Contains(known, value) {
			bad(path, "%q is not one of %s%s", value, strings.Join(known, ", "), didYouMean(value, known))
		}
	}
	match := func(path, value string, pattern *regexp.Regexp, want string) {
		if !pattern.MatchString(value) {
			bad(path, "%q is not %s", value, want)
		}
	}
	between := func(path string, value, least, most int64) {
		if value < least {
			bad(path, "must be at least %d", least)
		} else if value > most {
			bad(path, "must be at most %d", most)
		}
	}

	if s.Version != Version {
		bad("version", "%q is not a version that is read here: it must be %s", s.Version, Version)
	}
	if s.Name == "" {
		bad("name", "is missing")
	} else {
		match("name", s.Name, namePattern, "a name: a lower-case letter, then up to 39 letters, digits and hyphens")
	}
	if s.Name != "" || s.ClusterName != "" {
		if s.ClusterName == "" || len(s.ClusterName) > 128 || strings.ContainsFunc(s.ClusterName, unprintable) || !utf8.ValidString(s.ClusterName) {
			bad("cluster_name", "%q is not a name of 1 to 128 printable bytes", s.ClusterName)
		}
	}
	rel, unknown := release.Find(s.Cassandra)
	if match("cassandra", s.Cassandra, versionPattern, fmt.Sprintf("a version such as %q or %q", release.Newest().Series, release.Newest().Version)); versionPattern.MatchString(s.Cassandra) && unknown != nil {
		bad("cassandra", "%s", unknown)
	}
	oneOf("partitioner", s.Partitioner, partitioners)
	oneOf("provider", s.Provider, providers)
	oneOf("naming", s.Naming, namings)
	between("num_tokens", int64(s.NumTokens), 1, maxNumTokens)
	const disk = "a volume's name: a lower-case letter, then up to 31 letters, digits, _ and -"
	match("disks.data", s.Disks.Data, diskPattern, disk)
	match("disks.commitlog", s.Disks.Commitlog, diskPattern, disk)
	match("disks.saved_caches", s.Disks.SavedCaches, diskPattern, disk)
	if s.HeapMB != 0 {
		between("heap_mb", int64(s.HeapMB), minHeapMB, 1<<20)
	}
	checkRoundTrips(s, bad)
	checkLines(s, bad)
	checkRegions(s, bad, match, between)
	switch {
	case s.Provider == "hosts" && s.Hosts == "":
		bad("hosts", "is missing: the inventory file of the machines")
	case s.Provider != "hosts" && s.Hosts != "":
		bad("hosts", "names the inventory file of provider hosts, and goes with it alone")
	}
	checkPlaces(s, checker{bad, oneOf, match, between})
	if m := s.CassandraMirror; m != "" {
		switch {
		case s.Provider == "ec2":
			bad("cassandra_mirror", "goes with provider hosts; on EC2 it is ec2.cassandra_mirror")
		case s.Provider != "hosts":
			bad("cassandra_mirror", "goes with provider hosts: other clusters take the jars of this computer")
		case !isURL(m):
			bad("cassandra_mirror", "%q is not a URL of http or https", m)
		}
	}
	if s.EC2 != nil {
		checkEC2(s, checker{bad, oneOf, match, between})
	}
	if s.TLS != nil {
		checkTLS(s, checker{bad, oneOf, match, between})
	}

	const name = "a CQL name: a lower-case letter, then up to 47 letters, digits and _"
	match("keyspace.name", s.Keyspace.Name, identifier, name)
	match("keyspace.table", s.Keyspace.Table, identifier, name)
	if s.Keyspace.Name == "system" || strings.HasPrefix(s.Keyspace.Name, "system_") {
		bad("keyspace.name", "%q is Cassandra's own", s.Keyspace.Name)
	}
	for _, dc := range slices.Sorted(maps.Keys(s.Keyspace.Replication)) {
		between("keyspace.replication."+dc, int64(s.Keyspace.Replication[dc]), 1, maxNodes)
	}
	checkSettings(s, rel, bad)
	checkLetters(s, rel, bad)
	for _, p := range CheckLoad(s.Stress, rel, s.Settings) {
		bad("stress."+p.Key, "%s", p.Message)
	}
	return problems
}

func checkRegions(s Spec, bad func(path, format string, args ...any),
	match func(path, value string, pattern *regexp.Regexp, want string), between func(path string, value, least, most int64)) {
	if len(s.Regions) == 0 {
		bad("regions", "must name at least one region")
	}
	zones := map[string]int{}
	for i, r := range s.Regions {
		at := indexed("regions", i)
		if r.Region == "" {
			bad(at+".region", "is missing")
		} else {
			match(at+".region", r.Region, regionPattern, "a region such as us-east-1")
		}
		between(at+".nodes", int64(r.Nodes), 1, maxNodes)
		if r.DCSuffix != "" {
			match(at+".dc_suffix", r.DCSuffix, suffixPattern, "the end of a datacenter's name: up to 32 letters, digits, _ and -")
		}
		if r.Zone == "" || (r.Zone == r.Region+"a" && !regionPattern.MatchString(r.Region)) {
			continue // it follows from the region, and that is reported
		}
		parts := zonePattern.FindStringSubmatch(r.Zone)
		switch first, twice := zones[r.Zone]; {
		case parts == nil:
			bad(at+".zone", "%q is not a zone such as us-east-1a", r.Zone)
		case r.Region != "" && parts[1] != r.Region:
			bad(at+".zone", "%s is not a zone of %s", r.Zone, r.Region)
		case twice:
			bad(at+".zone", "%s is the zone of %s already: give that more nodes", r.Zone, indexed("regions", first))
		default:
			zones[r.Zone] = i
		}
	}
}
