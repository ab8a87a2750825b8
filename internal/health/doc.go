// Package health says what a cluster looks like now: its ring as every node sees it, held
// against the plan, the network between its regions, its firewalls and disks.
package health
