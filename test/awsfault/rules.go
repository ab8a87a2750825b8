package awsfault

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// makes tells for each call that makes something which element of the answer has its
// id.
var makes = map[string]string{
	"RunInstances": "instanceId", "AllocateAddress": "allocationId", "CreateSecurityGroup": "groupId", "ImportKeyPair": "keyPairId",
	"CreateVpc": "vpcId", "CreateSubnet": "subnetId", "CreateInternetGateway": "internetGatewayId",
}

// shows tells for each call that lists things which element of an item has its id.
var shows = map[string]string{
	"DescribeInstances": "instanceId", "DescribeAddresses": "allocationId", "DescribeSecurityGroups": "groupId", "DescribeKeyPairs": "keyPairId",
	"DescribeVpcs": "vpcId", "DescribeSubnets": "subnetId", "DescribeInternetGateways": "internetGatewayId",
}

// unseen are EC2's codes for ids that it does not see, by their prefix.
var unseen = map[string]string{
	"i": "InvalidInstanceID.NotFound", "eipalloc": "InvalidAllocationID.NotFound", "sg": "InvalidGroup.NotFound", "key": "InvalidKeyPair.NotFound",
	"vpc": "InvalidVpcID.NotFound", "subnet": "InvalidSubnetID.NotFound", "igw": "InvalidInternetGatewayID.NotFound",
}

// rules are those of EC2 that moto does not keep.
type rules struct {
	p *Proxy

	mu     sync.Mutex
	tokens map[string]launched
	hidden map[string]int  // looks that an id, with its region, still escapes
	known  map[string]bool // images and instance types that there are, with their region
}

// launched is what a client token stands for.
type launched struct {
	params   string
	instance string
	reply    reply
}

func newRules(p *Proxy) *rules {
	return &rules{p: p, tokens: map[string]launched{}, hidden: map[string]int{}, known: map[string]bool{}}
}

// apply answers a call as EC2 would. What it makes is hidden from the next looks.
func (r *rules) apply(req *http.Request, region, action string, form url.Values, body []byte, hide int) reply {
	if element, ok := shows[action]; ok {
		return r.veil(region, element, r.p.forward(req, body))
	}
	r.mu.Lock() // one change at a time: what is looked up stays true until it is acted on
	defer r.mu.Unlock()
	if form.Get("DryRun") == "true" {
		return r.p.forward(req, body)
	}
	if mutating(action) {
		if refused := r.refers(region, form); refused != nil {
			return *refused
		}
	}
	api := Client(r.p.moto, region)
	var answer reply
	switch action {
	case "RunInstances":
		answer = r.run(req, api, region, form, body)
	case "GetConsoleOutput":
		if r.p.Console != nil {
			return console(form.Get("InstanceId"), r.p.Console(form.Get("InstanceId")))
		}
		answer = r.p.forward(req, body)
	case "DescribeAccountAttributes":
		answer = r.p.forward(req, body)
		answer.body = addressLimit.ReplaceAll(answer.body, fmt.Appendf(nil, "${1}%d", r.p.ElasticIPs))
	default:
		if refused := r.refuse(req.Context(), api, action, form); refused != nil {
			return *refused
		}
		answer = r.p.forward(req, body)
	}
	if action == "TerminateInstances" && answer.status == http.StatusOK {
		if err := detach(req.Context(), api, form); err != nil {
			return failure(http.StatusBadGateway, "Proxy", err.Error())
		}
	}
	if id := r.id(makes[action], answer); hide > 0 && id != "" {
		r.hidden[region+" "+id] = hide
	}
	return answer
}

// console is EC2's answer about the console of an instance.
func console(instance, output string) reply {
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><GetConsoleOutputResponse><instanceId>%s</instanceId><output>%s</output></GetConsoleOutputResponse>`,
		instance, base64.StdEncoding.EncodeToString([]byte(output)))
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}, body: []byte(body)}
}

var addressLimit = regexp.MustCompile(`(?s)(<attributeName>vpc-max-elastic-ips</attributeName>.*?<attributeValue>)\d+`)

func (r *rules) id(element string, answer reply) string {
	if element == "" || answer.status != http.StatusOK {
		return ""
	}
	m := regexp.MustCompile(`<` + element + `>([^<]+)</`).FindSubmatch(answer.body)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// refers refuses a call that names something that is still hidden.
func (r *rules) refers(region string, form url.Values) *reply {
	for key, values := range form {
		if strings.HasPrefix(key, "TagSpecification") {
			continue
		}
		for _, v := range values {
			if left := r.hidden[region+" "+v]; left > 0 {
				r.hidden[region+" "+v] = left - 1
				prefix, _, _ := strings.Cut(v, "-")
				f := failure(http.StatusBadRequest, unseen[prefix], v+" does not exist")
				return &f
			}
		}
	}
	return nil
}

// run keeps the rules of client tokens: the same parameters give the same answer,
// other ones are refused, and so is a token whose instance has been terminated.
func (r *rules) run(req *http.Request, api *ec2.Client, region string, form url.Values, body []byte) reply {
	token := form.Get("ClientToken")
	if token == "" || len(token) > 64 {
		return failure(http.StatusBadRequest, "InvalidParameterValue", "a client token has 1 to 64 characters")
	}
	key := strings.Join([]string{region, form.Get("Placement.AvailabilityZone"), token}, " ")
	params := form.Encode()
	if before, ok := r.tokens[key]; ok {
		switch state, err := stateOf(req.Context(), api, before.instance); {
		case err != nil:
			return failure(http.StatusBadGateway, "Proxy", err.Error())
		case before.params != params:
			return failure(http.StatusBadRequest, "IdempotentParameterMismatch", "the token was used with other parameters")
		case state == types.InstanceStateNameTerminated:
			return failure(http.StatusBadRequest, "IdempotentInstanceTerminated", before.instance+" has been terminated")
		}
		return before.reply
	}
	if refused := r.exists(req.Context(), api, region, form); refused != nil {
		return *refused
	}
	answer := r.p.forward(req, body)
	if id := r.id("instanceId", answer); id != "" {
		r.tokens[key] = launched{params: params, instance: id, reply: answer}
	}
	return answer
}

// exists refuses images and types that there are not.
func (r *rules) exists(ctx context.Context, api *ec2.Client, region string, form url.Values) *reply {
	image, kind := form.Get("ImageId"), form.Get("InstanceType")
	if !r.known[region+image] {
		if out, err := api.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image}}); err != nil || len(out.Images) == 0 {
			f := failure(http.StatusBadRequest, "InvalidAMIID.NotFound", image+" does not exist")
			return &f
		}
		r.known[region+image] = true
	}
	if !r.known[region+kind] {
		if out, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{types.InstanceType(kind)}}); err != nil || len(out.InstanceTypes) == 0 {
			f := failure(http.StatusBadRequest, "InvalidParameterValue", "there is no instance type "+kind)
			return &f
		}
		r.known[region+kind] = true
	}
	return nil
}

func stateOf(ctx context.Context, api *ec2.Client, id string) (types.InstanceStateName, error) {
	out, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil || len(out.Reservations) == 0 {
		return types.InstanceStateNameTerminated, err
	}
	return out.Reservations[0].Instances[0].State.Name, nil
}

// refuse is EC2's answer to a call that it does not allow now, nil if it does.
func (r *rules) refuse(ctx context.Context, api *ec2.Client, action string, form url.Values) *reply {
	var code string
	var err error
	switch action {
	case "AllocateAddress":
		out, describeErr := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
		if err = describeErr; err == nil && len(out.Addresses) >= r.p.ElasticIPs {
			code = "AddressLimitExceeded"
		}
	case "ReleaseAddress":
		out, describeErr := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: by("allocation-id", form.Get("AllocationId"))})
		if err = describeErr; err == nil && len(out.Addresses) > 0 && aws.ToString(out.Addresses[0].InstanceId) != "" {
			code = "InvalidIPAddress.InUse"
		}
	case "DeleteSecurityGroup":
		var used bool
		if used, err = groupUsed(ctx, api, form.Get("GroupId")); used {
			code = "DependencyViolation"
		}
	case "DeleteSubnet":
		out, describeErr := api.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: by("subnet-id", form.Get("SubnetId"))})
		if err = describeErr; err == nil && len(out.NetworkInterfaces) > 0 {
			code = "DependencyViolation"
		}
	case "DeleteVpc":
		var used bool
		if used, err = vpcUsed(ctx, api, form.Get("VpcId")); used {
			code = "DependencyViolation"
		}
	}
	switch {
	case err != nil:
		f := failure(http.StatusBadGateway, "Proxy", err.Error())
		return &f
	case code != "":
		f := failure(http.StatusBadRequest, code, action+" is not possible now")
		return &f
	}
	return nil
}

func by(name, value string) []types.Filter {
	return []types.Filter{{Name: aws.String(name), Values: []string{value}}}
}

// groupUsed says whether an instance that is not terminated, or a rule of another
// group, holds a security group.
func groupUsed(ctx context.Context, api *ec2.Client, id string) (bool, error) {
	instances, err := living(ctx, api, by("instance.group-id", id))
	if err != nil || len(instances) > 0 {
		return true, err
	}
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return false, err
	}
	for _, g := range groups.SecurityGroups {
		for _, p := range g.IpPermissions {
			refers := slices.ContainsFunc(p.UserIdGroupPairs, func(u types.UserIdGroupPair) bool { return aws.ToString(u.GroupId) == id })
			if refers && aws.ToString(g.GroupId) != id {
				return true, nil
			}
		}
	}
	return false, nil
}

func vpcUsed(ctx context.Context, api *ec2.Client, id string) (bool, error) {
	subnets, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: by("vpc-id", id)})
	if err != nil || len(subnets.Subnets) > 0 {
		return true, err
	}
	gateways, err := api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: by("attachment.vpc-id", id)})
	if err != nil || len(gateways.InternetGateways) > 0 {
		return true, err
	}
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: by("vpc-id", id)})
	return err == nil && len(groups.SecurityGroups) > 1, err // its default group goes with it
}

// detach does what EC2 does when instances end: their interfaces go, and their Elastic
// IPs are free.
func detach(ctx context.Context, api *ec2.Client, form url.Values) error {
	for key, values := range form {
		if !strings.HasPrefix(key, "InstanceId.") {
			continue
		}
		for _, id := range values {
			addresses, err := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: by("instance-id", id)})
			if err != nil {
				return err
			}
			for _, a := range addresses.Addresses {
				if _, err := api.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: a.AssociationId}); err != nil {
					return err
				}
			}
			if err := dropInterfaces(ctx, api, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func dropInterfaces(ctx context.Context, api *ec2.Client, instance string) error {
	out, err := api.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
	if err != nil {
		return err
	}
	for _, x := range out.NetworkInterfaces {
		if x.Attachment == nil || aws.ToString(x.Attachment.InstanceId) != instance {
			continue
		}
		if _, err := api.DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: x.Attachment.AttachmentId}); err != nil {
			return err
		}
		if _, err := api.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: x.NetworkInterfaceId}); err != nil {
			return err
		}
	}
	return nil
}

// veil takes what is hidden out of a list.
func (r *rules) veil(region, element string, answer reply) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	any := false
	for _, left := range r.hidden {
		any = any || left > 0
	}
	if !any || answer.status != http.StatusOK {
		return answer
	}
	var root node
	if err := xml.Unmarshal(answer.body, &root); err != nil {
		return failure(http.StatusBadGateway, "Proxy", err.Error())
	}
	root.prune(func(item node) bool {
		for _, c := range item.Nodes {
			if key := region + " " + c.Text; c.XMLName.Local == element && r.hidden[key] > 0 {
				r.hidden[key]--
				return true
			}
		}
		return false
	})
	body, err := xml.Marshal(root)
	if err != nil {
		return failure(http.StatusBadGateway, "Proxy", err.Error())
	}
	answer.body = body
	return answer
}

// node is an element of an answer.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// prune removes the items that gone says so of.
func (n *node) prune(gone func(item node) bool) {
	n.Nodes = slices.DeleteFunc(n.Nodes, func(c node) bool { return c.XMLName.Local == "item" && gone(c) })
	for i := range n.Nodes {
		n.Nodes[i].prune(gone)
	}
}
