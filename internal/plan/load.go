package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// CheckLoad lists everything that is wrong with a load on the cluster of a plan, as it is
// when it comes to run: the spec's, or what the command line says instead.
func CheckLoad(p topology.Plan, s topology.Stress) []spec.LoadProblem {
	rel, err := release.Of(p.Version)
	if err != nil {
		rel = release.Release{} // of a cluster that a later crossring made: what depends on it is not checked
	}
	problems := spec.CheckLoad(spec.Stress{Load: s.Load, MissingDeadline: seconds(s.MissingDeadlineSeconds)}, rel, p.Settings)
	bad := func(key, format string, args ...any) {
		problems = append(problems, spec.LoadProblem{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	dcs := p.Datacenters()
	replicas := 0
	for _, factor := range p.Keyspace.Replication {
		replicas += factor
	}
	for _, side := range []struct{ op, done, dc, cl string }{
		{"write", "written", s.WriteDC, s.WriteCL},
		{"read", "read", s.ReadDC, s.ReadCL},
	} {
		if !slices.Contains(dcs, side.dc) {
			bad(side.op+"_datacenter", "there is no datacenter %s: there is %s", side.dc, strings.Join(dcs, ", "))
			continue
		}
		key := side.op + "_consistency"
		if need := map[string]int{"TWO": 2, "THREE": 3}[side.cl]; need > replicas {
			bad(key, "%s needs %s, the keyspace has %d", side.cl, plain.Count(need, "replica"), replicas)
		}
		if p.Keyspace.Replication[side.dc] > 0 {
			continue
		}
		if strings.HasPrefix(side.cl, "LOCAL_") {
			bad(key, "%s cannot be met in %s, where the keyspace has no replica", side.cl, side.dc)
		} else {
			bad(side.op+"_datacenter", "the keyspace has no replica in %s: what is %s there is another datacenter's; give it one in keyspace.replication", side.dc, side.done)
		}
	}
	return problems
}

// seconds is a number of seconds as a spec has it.
func seconds(s float64) string {
	if limit := float64(1<<62) / float64(time.Second); s > -limit && s < limit {
		return time.Duration(s * float64(time.Second)).String()
	}
	return strconv.FormatFloat(s, 'f', -1, 64) + "s" // NaN, infinities and what is beyond any duration are refused as they are
}
