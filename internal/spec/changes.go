package spec

import (
	"fmt"
	"slices"
)

// Changes is what differs between the spec of a cluster that runs and another one,
// a line per key, as Diff has them. A region is named by its zone there.
type Changes struct {
	// InPlace can be had while the cluster runs: the number of nodes in a zone, zones
	// that are new to a datacenter or left by it, and the defaults of the load.
	InPlace []string
	// Fixed is what a cluster keeps for life: it takes another cluster to have it
	// otherwise.
	Fixed []string
}

// None says that the specs do not differ.
func (c Changes) None() bool { return len(c.InPlace)+len(c.Fixed) == 0 }

// Compare divides what differs between the spec of a running cluster and the one
// that is wanted. Both have their defaults filled in.
func Compare(have, want Spec) (Changes, error) {
	var c Changes
	var err error
	if c.InPlace, err = Diff(Spec{Stress: have.Stress}, Spec{Stress: want.Stress}); err != nil {
		return c, err
	}
	rest, other := have, want
	rest.Stress, other.Stress = Stress{}, Stress{}
	rest.Regions, other.Regions = nil, nil
	if c.Fixed, err = Diff(rest, other); err != nil {
		return c, err
	}
	c.regions(have.Regions, want.Regions)
	slices.Sort(c.InPlace)
	slices.Sort(c.Fixed)
	return c, nil
}

// regions compares zone by zone, whatever the order in a datacenter.
func (c *Changes) regions(have, want []Region) {
	had, wanted := datacenters(have), datacenters(want)
	for _, dc := range wanted {
		if !slices.Contains(had, dc) {
			c.Fixed = append(c.Fixed, fmt.Sprintf("regions: a datacenter in %s, which the cluster has none in", dc))
		}
	}
	for _, dc := range had {
		if !slices.Contains(wanted, dc) {
			c.Fixed = append(c.Fixed, fmt.Sprintf("regions: no datacenter in %s any more", dc))
		}
	}
	if len(had) == len(wanted) && !slices.Equal(had, wanted) && sameMembers(had, wanted) {
		c.Fixed = append(c.Fixed, fmt.Sprintf("regions: the order of the datacenters: %v → %v", had, wanted))
	}
	for _, r := range want {
		if !slices.Contains(had, datacenterKey(r)) {
			continue
		}
		i := zone(have, r.Zone)
		switch {
		case i < 0:
			c.InPlace = append(c.InPlace, fmt.Sprintf("regions[%s].nodes: (none) → %d", r.Zone, r.Nodes))
		case have[i].Region != r.Region:
			c.Fixed = append(c.Fixed, fmt.Sprintf("regions[%s].region: %q → %q", r.Zone, have[i].Region, r.Region))
		case have[i].Nodes != r.Nodes:
			c.InPlace = append(c.InPlace, fmt.Sprintf("regions[%s].nodes: %d → %d", r.Zone, have[i].Nodes, r.Nodes))
		}
	}
	for _, r := range have {
		if slices.Contains(wanted, datacenterKey(r)) && zone(want, r.Zone) < 0 {
			c.InPlace = append(c.InPlace, fmt.Sprintf("regions[%s].nodes: %d → (none)", r.Zone, r.Nodes))
		}
	}
}

// datacenterKey is what the entries of one datacenter have in common: their zone's name but for
// its letter, whatever the naming makes of it, and the suffix.
func datacenterKey(r Region) string { return r.Zone[:max(len(r.Zone)-1, 0)] + r.DCSuffix }

// datacenters lists the places of the regions in order, each once.
func datacenters(regions []Region) []string {
	var list []string
	for _, r := range regions {
		if p := datacenterKey(r); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

func zone(regions []Region, name string) int {
	return slices.IndexFunc(regions, func(r Region) bool { return r.Zone == name })
}

func sameMembers(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}
