package run

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/stress"
)

// checkSettings says everything that is wrong with the load, before anything is
// made or sent.
func checkSettings(p topology.Plan, s topology.Stress, threshold float64) error {
	var all *multierror.Error
	wrong := func(format string, args ...any) { all = multierror.Append(all, fmt.Errorf(format, args...)) }
	dcs := p.Datacenters()
	for _, dc := range []string{s.WriteDC, s.ReadDC} {
		if !slices.Contains(dcs, dc) {
			wrong("there is no datacenter %q in cluster %s; there are %v", dc, p.Name, dcs)
		}
	}
	if levels := spec.WriteConsistencies(); !slices.Contains(levels, s.WriteCL) {
		wrong("consistency level %q of the write is none of %v", s.WriteCL, levels)
	}
	if levels := spec.ReadConsistencies(); !slices.Contains(levels, s.ReadCL) {
		wrong("consistency level %q of the read is none of %v", s.ReadCL, levels)
	}
	if s.Rows < 1 {
		wrong("%d rows are nothing to write", s.Rows)
	}
	if s.ValueBytes < stress.MinValueBytes || s.ValueBytes > spec.MaxValueBytes {
		wrong("values have %d to %d bytes, not %d", stress.MinValueBytes, spec.MaxValueBytes, s.ValueBytes)
	}
	switch {
	case s.InFlight < 1:
		wrong("at least one request is in flight, not %d", s.InFlight)
	case int64(s.InFlight) > spec.MaxInFlightBytes/int64(max(s.ValueBytes, 1)):
		wrong("%d values of %d bytes in flight are more than %d MB", s.InFlight, s.ValueBytes, spec.MaxInFlightBytes>>20)
	}
	if s.Rate < 0 {
		wrong("a rate of %g is below 0", s.Rate)
	}
	if s.MissingDeadlineSeconds < 0 {
		wrong("a missing deadline of %g s is below 0", s.MissingDeadlineSeconds)
	}
	if threshold < 0 || threshold > 1 {
		wrong("the threshold is a share of the rows from 0 to 1, not %g", threshold)
	}
	if all == nil {
		return nil
	}
	all.ErrorFormat = lines
	return Usage("", all, "crossring help repro")
}

// lines is a list of problems, one on each line.
func lines(errs []error) string {
	return errors.Join(errs...).Error()
}
