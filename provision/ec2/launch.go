package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// token names one attempt to launch one node: 64 hexadecimal digits, which is as long
// as EC2 takes.
func token(run, node, zone, instanceType string, attempt int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"crossring", run, node, zone, instanceType, fmt.Sprint(attempt)}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// launchAll launches the nodes of the region, each in its zone or, where that has no
// room, in another one.
func (r *region) launchAll(ctx context.Context, groups []string) error {
	return side(ctx, r.nodes(), func(ctx context.Context, n topology.Node) error { return r.launch(ctx, n, groups) })
}

// launch sees that a node has an instance.
func (r *region) launch(ctx context.Context, n topology.Node, groups []string) error {
	if _, ok := r.standing(n.Name); ok {
		return nil
	}
	var last error
	var tried []string
	for _, zone := range r.zonesFor(n) {
		tried = append(tried, zone)
		err := r.launchIn(ctx, n, zone, groups)
		if !capacity(cloud.Code(err)) {
			return err
		}
		last = err
		r.Say("%s has no room for a %s (%s): trying another zone for %s", zone, r.st.Plan.EC2.InstanceType, cloud.Code(err), n.Name)
	}
	return &CapacityError{Node: n.Name, Region: r.name, Type: r.st.Plan.EC2.InstanceType, Tried: tried, Err: last}
}

// zonesFor lists where a node may go: first the zone of an attempt that is not
// settled, then its own, then the others whose names make the same datacenter; last
// those in which there turned out to be no room.
func (r *region) zonesFor(n topology.Node) []string {
	var zones []string
	add := func(z string) {
		if !slices.Contains(zones, z) {
			zones = append(zones, z)
		}
	}
	if rec, ok := r.unsettled(n.Name); ok {
		add(zoneOf(rec.Part))
	}
	fit := []string{n.Zone}
	for _, z := range r.zones {
		dc, _ := topology.EC2Names(r.st.Plan.NamingScheme, z)
		// A VPC that was there need not have a subnet in every zone of the region.
		if dc == n.Datacenter && (r.st.Plan.EC2.VPC == ownVPC || r.subnets[z] != "") {
			fit = append(fit, z)
		}
	}
	full := r.fullZones(n.Name)
	for _, z := range fit {
		if !full[z] {
			add(z)
		}
	}
	for _, z := range fit {
		add(z)
	}
	return zones
}

// fullZones are those in which an instance of the node was begun, and ended because
// there was no room after all.
func (r *region) fullZones(node string) map[string]bool {
	full := map[string]bool{}
	for _, rec := range r.launches(node) {
		if why, ok := r.clerk.Ended(rec.ID); ok && strings.HasPrefix(why, "Server.Insufficient") {
			full[zoneOf(rec.Part)] = true
		}
	}
	return full
}

func (r *region) launchPart(node, zone string, attempt int) string {
	return r.part(fmt.Sprintf("instance/%s/%s/%d", node, zone, attempt))
}

// zoneOf takes the zone out of the part of a launch.
func zoneOf(part string) string {
	fields := strings.Split(part, "/")
	return fields[len(fields)-2]
}

// launches are the records of a node's attempts.
func (r *region) launches(node string) []ledger.Record {
	return r.mem.Below("RunInstances", r.part("instance/"+node+"/"))
}

// standing is the instance that a node has, unless it is known to have ended or was
// removed.
func (r *region) standing(node string) (ledger.Record, bool) {
	for _, rec := range r.launches(node) {
		if rec.Made() && !r.ended(rec.ID) && !r.clerk.Removed(rec.ID) {
			return rec, true
		}
	}
	return ledger.Record{}, false
}

// unsettled is an attempt of which it is not known what came of it.
func (r *region) unsettled(node string) (ledger.Record, bool) {
	for _, rec := range r.launches(node) {
		if rec.Pending {
			return rec, true
		}
	}
	return ledger.Record{}, false
}

// launchIn launches a node in a zone: again with the token of an attempt that is not
// settled, or with a new one.
func (r *region) launchIn(ctx context.Context, n topology.Node, zone string, groups []string) error {
	rec, pending := r.unsettled(n.Name)
	l := cloud.Launch{}
	part := rec.Part
	if pending {
		if err := json.Unmarshal(rec.Intent, &l); err != nil {
			return fmt.Errorf("reading the intent of %s: %w", part, err)
		}
	} else {
		subnet, err := r.subnet(ctx, zone)
		if err != nil {
			return err
		}
		attempt := 1 + len(r.mem.Below("RunInstances", r.part("instance/"+n.Name+"/"+zone+"/")))
		part = r.launchPart(n.Name, zone, attempt)
		l = r.newLaunch(n.Name, zone, part, attempt)
		l.Subnet, l.Groups = subnet, groups
	}
	_, err := r.clerk.Change(ctx, ledger.Mutation{Action: "RunInstances", Part: part, Intent: l,
		Call: func(ctx context.Context) (string, error) { return r.cloud.Launch(ctx, l, false) }})
	if cloud.Code(err) == "IdempotentInstanceTerminated" {
		// What the token made has ended since. Its failure is in the journal now, so the
		// next attempt has another token.
		return r.launchIn(ctx, n, zone, groups)
	}
	return err
}

func (r *region) newLaunch(node, zone, part string, attempt int) cloud.Launch {
	e := r.st.Plan.EC2
	tags := map[string]string{}
	for _, t := range r.tags(part) {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	tags[tagName] = r.st.Plan.Name + " " + node
	return cloud.Launch{
		Token: token(r.st.Run, node, zone, e.InstanceType, attempt),
		Node:  node, Zone: zone, Type: e.InstanceType, Image: r.image, Key: r.keyName(),
		PublicIP: e.PublicIP != elasticIP, HTTPTokens: e.HTTPTokens, RootGB: e.RootGB, Volumes: e.Volumes, Tags: tags,
	}
}

// elasticIP is the value of ec2.public_ip that allocates addresses.
const elasticIP = "elastic"

// endedError says that an instance ended before it ran.
type endedError struct{ node, instance, reason string }

func (e *endedError) Error() string {
	return fmt.Sprintf("instance %s of %s ended before it ran: %s", e.instance, e.node, e.reason)
}

// running waits until the instance of every node of the region runs, and returns them
// by node name. One that ended instead is recorded as gone, and reported.
func (r *region) running(ctx context.Context) (map[string]types.Instance, error) {
	up := map[string]types.Instance{}
	waiting := []string{"instances"}
	polls := 0
	err := r.clerk.Await(ctx, r.Pace.Wait, func() string {
		return fmt.Sprintf("instances of %s to run: %s", r.name, strings.Join(waiting, ", "))
	}, func(ctx context.Context) (bool, error) {
		all, err := r.cloud.Instances(ctx, r.cloud.Mine())
		if err != nil {
			return false, err
		}
		seen := map[string]types.Instance{}
		for _, i := range all {
			seen[aws.ToString(i.InstanceId)] = i
		}
		waiting = nil
		polls++
		for _, n := range r.nodes() {
			rec, ok := r.standing(n.Name)
			if !ok {
				continue // it could not be launched, which is reported
			}
			i, visible := seen[rec.ID]
			switch {
			case !visible && r.st.stood(n.Name) && polls > r.Pace.Looks:
				return false, &GoneError{Cluster: r.st.Plan.Name, Node: n.Name, What: "instance " + rec.ID}
			case !visible:
				waiting = append(waiting, n.Name+" (not seen yet)")
			case i.State.Name == types.InstanceStateNameRunning:
				up[n.Name] = i
			case i.State.Name == types.InstanceStateNamePending:
				waiting = append(waiting, n.Name+" (pending)")
			case r.st.stood(n.Name):
				return false, &GoneError{Cluster: r.st.Plan.Name, Node: n.Name, What: fmt.Sprintf("instance %s (%s)", rec.ID, i.State.Name)}
			default:
				return false, r.end(n.Name, i)
			}
		}
		return len(waiting) == 0, nil
	})
	return up, err
}

// ended says that an instance is known to have ended by itself.
func (r *region) ended(id string) bool {
	_, ok := r.clerk.Ended(id)
	return ok
}

// end records that an instance is gone.
func (r *region) end(node string, i types.Instance) error {
	id := aws.ToString(i.InstanceId)
	reason := string(i.State.Name)
	if i.StateReason != nil {
		reason = aws.ToString(i.StateReason.Code) + ": " + aws.ToString(i.StateReason.Message)
	}
	why := ""
	if i.StateReason != nil {
		why = aws.ToString(i.StateReason.Code)
	}
	return errors.Join(&endedError{node: node, instance: id, reason: reason}, r.clerk.End(id, why))
}

// instancesUp launches the region's nodes and waits until they run. An instance that
// ends before it runs is replaced, a few times.
func (r *region) instancesUp(ctx context.Context, groups []string) (map[string]types.Instance, error) {
	const most = 3
	for n := 1; ; n++ {
		launchErr := r.launchAll(ctx, groups)
		up, err := r.running(ctx)
		var ended *endedError
		if errors.As(err, &ended) && n < most && launchErr == nil {
			r.Say("%s: launching another one", ended)
			continue
		}
		return up, join(launchErr, err)
	}
}
