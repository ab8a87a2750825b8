// Package price estimates what a plan costs on EC2, from a table of list prices that
// is part of the program, dated, and can be replaced. It is pure.
package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"crossring/internal/topology"
)

// Table has prices in US dollars.
type Table struct {
	AsOf           string            `json:"as_of"` // day, as 2025-01-01
	Source         string            `json:"source"`
	PublicIPv4Hour float64           `json:"public_ipv4_hour"` // each address, in use or not
	Regions        map[string]Region `json:"regions"`
}

// Region has the prices of one region. Months are of 730 hours.
type Region struct {
	TransferGB    float64            `json:"transfer_gb"`              // out, to another region
	TransferGBTo  map[string]float64 `json:"transfer_gb_to,omitempty"` // to those that cost something else
	InstanceHour  map[string]float64 `json:"instance_hour"`            // by type, on demand, Linux
	VolumeGBMonth map[string]float64 `json:"volume_gb_month"`
	GP3IOPSMonth  float64            `json:"gp3_iops_month"` // each above 3000
	GP3MBpsMonth  float64            `json:"gp3_mbps_month"` // each above 125
	IOIOPSMonth   float64            `json:"io_iops_month"`  // of io1 and io2, each
}

//go:embed prices.json
var shipped []byte

const (
	hoursPerMonth = 730.0
	gp3IOPS       = 3000 // that a gp3 volume has at no further price
	gp3MBps       = 125
	// rowOverhead is what a mutation takes on the wire beside its value: key, column
	// name, timestamp, framing.
	rowOverhead = 120
)

// Shipped is the table that is part of the program.
func Shipped() Table {
	t, err := Parse(shipped)
	if err != nil {
		panic(err) // the table is part of the program, and read by its tests
	}
	return t
}

// Parse reads a table from JSON, in the form of the one that is shipped.
func Parse(data []byte) (Table, error) {
	var t Table
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return t, fmt.Errorf("read prices: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return t, errors.New("read prices: something follows the table")
	}
	if t.AsOf == "" || len(t.Regions) == 0 {
		return t, errors.New("read prices: as_of and regions are needed")
	}
	return t, nil
}

// Estimate is the cost of a plan for EC2: instances, volumes and public addresses by
// the hour, and over the time to live together with the transfer between regions of
// one write of the test. What the table has no price for is listed, and the sums are then
// what it costs at least, and no more is known.
func Estimate(p topology.Plan, t Table) *topology.Cost {
	c := &topology.Cost{PricesAsOf: t.AsOf, Items: []topology.CostItem{}, Unpriced: []string{}}
	if p.EC2 == nil {
		return c
	}
	for _, region := range regions(p.Nodes) {
		nodes := 0
		for _, n := range p.Nodes {
			if n.Region == region {
				nodes++
			}
		}
		prices, known := t.Regions[region]
		add := func(what string, count int, perHour float64, priced bool) {
			if !known || !priced {
				c.Unpriced = append(c.Unpriced, what+" in "+region)
				return
			}
			c.Items = append(c.Items, topology.CostItem{Region: region, What: what, Count: count, PerHourUSD: perHour * float64(count)})
			c.AtLeastPerHourUSD += perHour * float64(count)
		}
		hour, ok := prices.InstanceHour[p.EC2.InstanceType]
		add(p.EC2.InstanceType, nodes, hour, ok)
		for _, v := range append([]topology.EC2Volume{{Disk: "root", Type: "gp3", SizeGB: p.EC2.RootGB}}, p.EC2.Volumes...) {
			_, ok := prices.VolumeGBMonth[v.Type]
			add(fmt.Sprintf("%s volume of %d GB for %s", v.Type, v.SizeGB, v.Disk), nodes, prices.volume(v)/hoursPerMonth, ok)
		}
		add("public IPv4 address", nodes, t.PublicIPv4Hour, true)
	}
	hourly := len(c.Unpriced) == 0
	c.TransferUSD = transfer(p, t, c)
	c.AtLeastTTLUSD = c.AtLeastPerHourUSD*p.EC2.TTLSeconds/3600 + c.TransferUSD
	if hourly {
		hour := c.AtLeastPerHourUSD
		c.PerHourUSD = &hour
	}
	if len(c.Unpriced) == 0 {
		ttl := c.AtLeastTTLUSD
		c.TTLUSD = &ttl
	}
	return c
}

// volume is the price of a volume for a month.
func (r Region) volume(v topology.EC2Volume) float64 {
	month := r.VolumeGBMonth[v.Type] * float64(v.SizeGB)
	switch v.Type {
	case "gp3":
		month += r.GP3IOPSMonth*float64(max(v.IOPS-gp3IOPS, 0)) + r.GP3MBpsMonth*float64(max(v.Throughput-gp3MBps, 0))
	case "io1", "io2":
		month += r.IOIOPSMonth * float64(v.IOPS)
	}
	return month
}

// transfer is the price of one write of all rows: a coordinator sends a row once to
// each other datacenter that has a replica.
func transfer(p topology.Plan, t Table, c *topology.Cost) float64 {
	from := ""
	for _, n := range p.Nodes {
		if n.Datacenter == p.Stress.WriteDC {
			from = n.Region
			break
		}
	}
	away := 0
	for _, dc := range p.Datacenters() {
		if dc != p.Stress.WriteDC && p.Keyspace.Replication[dc] > 0 {
			away++
		}
	}
	prices, ok := t.Regions[from]
	if !ok || away == 0 {
		if away > 0 {
			c.Unpriced = append(c.Unpriced, "transfer from "+from)
		}
		return 0
	}
	gb := float64(p.Stress.Rows) * float64(p.Stress.ValueBytes+rowOverhead) * float64(away) / 1e9
	return gb * prices.TransferGB
}

func regions(nodes []topology.Node) []string {
	var list []string
	seen := map[string]bool{}
	for _, n := range nodes {
		if !seen[n.Region] {
			seen[n.Region] = true
			list = append(list, n.Region)
		}
	}
	return list
}
