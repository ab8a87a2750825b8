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
func (l *launcher) launchAll(ctx context.Context, groups []string) error {
	return side(ctx, l.nodes(), func(ctx context.Context, n topology.Node) error { return l.launch(ctx, n, groups) })
}

// launch sees that a node has an instance.
func (l *launcher) launch(ctx context.Context, n topology.Node, groups []string) error {
	if _, ok := l.standing(n.Name); ok {
		return nil
	}
	var last error
	var tried []string
	for _, zone := range l.zonesFor(n) {
		tried = append(tried, zone)
		err := l.launchIn(ctx, n, zone, groups)
		if !capacity(cloud.Code(err)) {
			return err
		}
		last = err
		l.Say("%s has no room for a %s (%s): trying another zone for %s", zone, l.st.Plan.EC2.InstanceType, cloud.Code(err), n.Name)
	}
	return &CapacityError{Node: n.Name, Region: l.name, Type: l.st.Plan.EC2.InstanceType, Tried: tried, Err: last}
}

// zonesFor lists where a node may go: first the zone of an attempt that is not
// settled, then its own, then the others whose names make the same datacenter; last
// those in which there turned out to be no room.
func (l *launcher) zonesFor(n topology.Node) []string {
	var zones []string
	add := func(z string) {
		if !slices.Contains(zones, z) {
			zones = append(zones, z)
		}
	}
	if rec, ok := l.unsettled(n.Name); ok {
		add(zoneOf(rec.Part))
	}
	fit := []string{n.Zone}
	for _, z := range l.net.zones {
		dc, _ := topology.EC2Names(l.st.Plan.NamingScheme, z)
		// A VPC that was there need not have a subnet in every zone of the region.
		if dc == n.Datacenter && (l.st.Plan.EC2.VPC == ownVPC || l.net.subnets[z] != "") {
			fit = append(fit, z)
		}
	}
	full := l.fullZones(n.Name)
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
func (l *launcher) fullZones(node string) map[string]bool {
	full := map[string]bool{}
	for _, rec := range l.launches(node) {
		if why, ok := l.clerk.Ended(rec.ID); ok && strings.HasPrefix(why, "Server.Insufficient") {
			full[zoneOf(rec.Part)] = true
		}
	}
	return full
}

func (l *launcher) launchPart(node, zone string, attempt int) string {
	return l.part(fmt.Sprintf("instance/%s/%s/%d", node, zone, attempt))
}

// zoneOf takes the zone out of the part of a launch.
func zoneOf(part string) string {
	fields := strings.Split(part, "/")
	return fields[len(fields)-2]
}

// launches are the records of a node's attempts.
func (l *launcher) launches(node string) []ledger.Record {
	return l.mem.Below("RunInstances", l.part("instance/"+node+"/"))
}

// standing is the instance that a node has, unless it is known to have ended or was
// removed.
func (l *launcher) standing(node string) (ledger.Record, bool) {
	for _, rec := range l.launches(node) {
		if rec.Made() && !l.ended(rec.ID) && !l.clerk.Removed(rec.ID) {
			return rec, true
		}
	}
	return ledger.Record{}, false
}

// unsettled is an attempt of which it is not known what came of it.
func (l *launcher) unsettled(node string) (ledger.Record, bool) {
	for _, rec := range l.launches(node) {
		if rec.Pending {
			return rec, true
		}
	}
	return ledger.Record{}, false
}

// launchIn launches a node in a zone: again with the token of an attempt that is not
// settled, or with a new one.
func (l *launcher) launchIn(ctx context.Context, n topology.Node, zone string, groups []string) error {
	rec, pending := l.unsettled(n.Name)
	asked := cloud.Launch{}
	part := rec.Part
	if pending {
		if err := json.Unmarshal(rec.Intent, &asked); err != nil {
			return fmt.Errorf("reading the intent of %s: %w", part, err)
		}
	} else {
		subnet, err := l.net.subnet(ctx, zone)
		if err != nil {
			return err
		}
		attempt := 1 + len(l.mem.Below("RunInstances", l.part("instance/"+n.Name+"/"+zone+"/")))
		part = l.launchPart(n.Name, zone, attempt)
		asked = l.newLaunch(n.Name, zone, part, attempt)
		asked.Subnet, asked.Groups = subnet, groups
	}
	_, err := l.clerk.Change(ctx, ledger.Mutation{Action: "RunInstances", Part: part, Intent: asked,
		Call: func(ctx context.Context) (string, error) { return l.cloud.Launch(ctx, asked, false) }})
	if cloud.Code(err) == "IdempotentInstanceTerminated" {
		// What the token made has ended since. Its failure is in the journal now, so the
		// next attempt has another token.
		return l.launchIn(ctx, n, zone, groups)
	}
	return err
}

func (l *launcher) newLaunch(node, zone, part string, attempt int) cloud.Launch {
	e := l.st.Plan.EC2
	tags := map[string]string{}
	for _, t := range l.tags(part) {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	tags[tagName] = l.st.Plan.Name + " " + node
	return cloud.Launch{
		Token: token(l.st.Run, node, zone, e.InstanceType, attempt),
		Node:  node, Zone: zone, Type: e.InstanceType, Image: l.image, Key: l.keyName(),
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
func (l *launcher) running(ctx context.Context) (map[string]types.Instance, error) {
	up := map[string]types.Instance{}
	waiting := []string{"instances"}
	polls := 0
	err := l.clerk.Await(ctx, l.Pace.Wait, func() string {
		return fmt.Sprintf("instances of %s to run: %s", l.name, strings.Join(waiting, ", "))
	}, func(ctx context.Context) (bool, error) {
		all, err := l.cloud.Instances(ctx, l.cloud.Mine())
		if err != nil {
			return false, err
		}
		seen := map[string]types.Instance{}
		for _, i := range all {
			seen[aws.ToString(i.InstanceId)] = i
		}
		waiting = nil
		polls++
		for _, n := range l.nodes() {
			rec, ok := l.standing(n.Name)
			if !ok {
				continue // it could not be launched, which is reported
			}
			i, visible := seen[rec.ID]
			switch {
			case !visible && l.st.stood(n.Name) && polls > l.Pace.Looks:
				return false, &GoneError{Cluster: l.st.Plan.Name, Node: n.Name, What: "instance " + rec.ID}
			case !visible:
				waiting = append(waiting, n.Name+" (not seen yet)")
			case i.State.Name == types.InstanceStateNameRunning:
				up[n.Name] = i
			case i.State.Name == types.InstanceStateNamePending:
				waiting = append(waiting, n.Name+" (pending)")
			case l.st.stood(n.Name):
				return false, &GoneError{Cluster: l.st.Plan.Name, Node: n.Name, What: fmt.Sprintf("instance %s (%s)", rec.ID, i.State.Name)}
			default:
				return false, l.end(n.Name, i)
			}
		}
		return len(waiting) == 0, nil
	})
	return up, err
}

// ended says that an instance is known to have ended by itself.
func (l *launcher) ended(id string) bool {
	_, ok := l.clerk.Ended(id)
	return ok
}

// end records that an instance is gone.
func (l *launcher) end(node string, i types.Instance) error {
	id := aws.ToString(i.InstanceId)
	reason := string(i.State.Name)
	if i.StateReason != nil {
		reason = aws.ToString(i.StateReason.Code) + ": " + aws.ToString(i.StateReason.Message)
	}
	why := ""
	if i.StateReason != nil {
		why = aws.ToString(i.StateReason.Code)
	}
	return errors.Join(&endedError{node: node, instance: id, reason: reason}, l.clerk.End(id, why))
}

// instancesUp launches the region's nodes and waits until they run. An instance that
// ends before it runs is replaced, a few times.
func (l *launcher) instancesUp(ctx context.Context, groups []string) (map[string]types.Instance, error) {
	const most = 3
	for n := 1; ; n++ {
		launchErr := l.launchAll(ctx, groups)
		up, err := l.running(ctx)
		var ended *endedError
		if errors.As(err, &ended) && n < most && launchErr == nil {
			l.Say("%s: launching another one", ended)
			continue
		}
		return up, join(launchErr, err)
	}
}
