package price

import "crossring/internal/topology"

// Transfer is the price of a gigabyte (10^9 bytes) from one region to another, in US dollars;
// false where the table has none.
func (t Table) Transfer(from, to string) (float64, bool) {
	r, known := t.Regions[from]
	if !known || from == to {
		return 0, false
	}
	if usd, own := r.TransferGBTo[to]; own {
		return usd, true
	}
	return r.TransferGB, r.TransferGB > 0
}

// Priced fills in what bytes cost, and how many there were for each of so many rows.
func (t Table) Priced(w topology.Wire, rows int64) topology.Wire {
	if rows > 0 {
		per := float64(w.Bytes) / float64(rows)
		w.BytesPerRow = &per
	}
	if gb, known := t.Transfer(w.From, w.To); known {
		usd := float64(w.Bytes) / 1e9 * gb
		w.USD = &usd
	}
	return w
}

// Wire is what one write of all rows of a plan sends between regions at least: a coordinator
// sends each row once to every other datacenter that has replicas of it, whatever their number
// and the consistency level. What comes back, reads at levels that ask other regions, hints and
// gossip are beside.
func Wire(p topology.Plan, t Table) []topology.Wire {
	from, region := "", map[string]string{}
	for _, n := range p.Nodes {
		region[n.Datacenter] = n.Region
	}
	from = region[p.Stress.WriteDC]
	wire := []topology.Wire{}
	for _, to := range regions(p.Nodes) {
		copies := int64(0)
		for _, dc := range p.Datacenters() {
			if region[dc] == to && to != from && p.Keyspace.Replication[dc] > 0 {
				copies++
			}
		}
		if copies == 0 || from == "" {
			continue
		}
		w := topology.Wire{From: from, To: to, Bytes: p.Stress.Rows * int64(p.Stress.ValueBytes) * copies}
		wire = append(wire, t.Priced(w, p.Stress.Rows))
	}
	return wire
}
