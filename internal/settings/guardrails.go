package settings

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// guardrails looks at the thresholds of a release's guardrails, as its GuardrailsOptions does:
// none is zero, percentages have their limit, a warning comes before the refusal, and a replica
// is never too few where a keyspace without a number of its own has it.
func (c *checker) guardrails(settings map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		k := c.known[name]
		if !k.guardrail || settings[name] == nil {
			continue
		}
		path := []string{name}
		n, number, ok := c.threshold(name, settings)
		switch {
		case !ok:
			// Another kind of value, which has been said.
		case number && n == 0:
			c.bad(path, "must not be 0: -1 turns it off")
		case n == 0:
			c.bad(path, "must not be 0: left out, or null, it is off")
		case n < -1:
			c.bad(path, "must be -1, which turns it off, or above 0")
		case k.percent && n > 100:
			c.bad(path, "is a percentage, 100 at most")
		}
	}
	for _, warn := range slices.Sorted(maps.Keys(c.known)) {
		what, isWarn := strings.CutSuffix(warn, "_warn_threshold")
		refuse := what + "_fail_threshold"
		if !isWarn || !c.known[warn].guardrail || !c.known[refuse].guardrail {
			continue
		}
		w, _, okW := c.threshold(warn, settings)
		f, _, okF := c.threshold(refuse, settings)
		if !okW || !okF || w <= 0 || f <= 0 {
			continue
		}
		_, own := settings[refuse]
		at := []string{refuse}
		if !own {
			at = []string{warn}
		}
		switch lowest := what == "minimum_replication_factor"; {
		case lowest && w < f:
			c.bad(at, "must not be above %s: what is refused has been warned of before", warn)
		case !lowest && w > f:
			c.bad(at, "must not be below %s, which is %s: what is refused has been warned of before", warn, c.text(warn, settings))
		}
	}
	c.replicas(settings)
}

// replicas holds the numbers of replicas that are too few, or too many, against the number that a
// keyspace has which names none.
func (c *checker) replicas(settings map[string]any) {
	if _, ok := c.known["default_keyspace_rf"]; !ok {
		return
	}
	rf := int64(1)
	if n, _, ok := c.threshold("default_keyspace_rf", settings); ok && settings["default_keyspace_rf"] != nil {
		rf = n
	}
	set := func(name string) bool {
		_, set := settings[name]
		return set && c.known[name].guardrail
	}
	if set("minimum_replication_factor_fail_threshold") {
		if n, _, ok := c.threshold("minimum_replication_factor_fail_threshold", settings); ok && n > rf {
			c.bad([]string{"minimum_replication_factor_fail_threshold"}, "must not be above default_keyspace_rf, which is %d", rf)
		}
	}
	if set("maximum_replication_factor_fail_threshold") {
		if n, _, ok := c.threshold("maximum_replication_factor_fail_threshold", settings); ok && n > 0 && n < rf {
			c.bad([]string{"maximum_replication_factor_fail_threshold"}, "must not be below default_keyspace_rf, which is %d", rf)
		}
	}
}

// threshold is the value of a guardrail, as set or as it is by itself; number says that it is
// one without a unit, whose -1 is off.
func (c *checker) threshold(name string, settings map[string]any) (n int64, number, ok bool) {
	k, known := c.known[name]
	if !known {
		return -1, false, false
	}
	number = (k.kinds[0] == "int" || k.kinds[0] == "long")
	text := c.text(name, settings)
	if text == "" {
		return -1, number, true
	}
	if number {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, true, err == nil
	}
	units := sizes
	if strings.HasPrefix(k.kinds[0], "Duration.") {
		units = durations
	}
	n, err := amount(text, units, math.MaxInt64)
	return n, false, err == nil
}

// text is the value of a key as it stands in the file, or by itself; "" is none.
func (c *checker) text(name string, settings map[string]any) string {
	v, set := settings[name]
	if !set {
		// One that has an older name may be set by that.
		for old, other := range settings {
			if c.known[old].now == name && other != nil {
				v, set = other, true
			}
		}
	}
	if !set {
		return c.known[name].preset
	}
	text, _ := written(v)
	return text
}
