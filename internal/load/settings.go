package load

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/fail"
	"crossring/internal/plan"
	"crossring/internal/topology"
)

// CheckSettings says everything that is wrong with the load that a command, such as "stress
// write", was asked for, before anything is made or sent.
func CheckSettings(verb string, p topology.Plan, s topology.Stress, t Thresholds) error {
	var all *multierror.Error
	for _, problem := range plan.CheckLoad(p, s) {
		all = multierror.Append(all, fmt.Errorf("%s: %s", flagOf(problem.Key), problem.Message))
	}
	// So written, NaN is no share either.
	if !(t.Threshold >= 0 && t.Threshold <= 1) {
		all = multierror.Append(all, fmt.Errorf("--threshold: must be a share of the rows from 0 to 1, not %g", t.Threshold))
	}
	if !(t.Lost >= 0 && t.Lost <= 1) {
		all = multierror.Append(all, fmt.Errorf("--lost-threshold: must be a share of the acknowledged rows from 0 to 1, not %g", t.Lost))
	}
	if all == nil {
		return nil
	}
	all.ErrorFormat = lines
	return fail.Usage("", all, "crossring help "+verb)
}

// flagOf is the flag that stands for a key of the spec's stress block.
func flagOf(key string) string {
	return "--" + strings.ReplaceAll(strings.ReplaceAll(key, "_datacenter", "_dc"), "_", "-")
}

// lines is a list of problems, one on each line.
func lines(errs []error) string {
	return errors.Join(errs...).Error()
}
