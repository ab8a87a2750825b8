//go:build linux

package awslab

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/test/awsfault"
)

// ServeHTTP is EC2's API: the emulator's answers with the lab's addresses in them, and
// hosts that come and go with the instances.
func (l *Lab) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, header, answer, err := l.ask(req, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	form, _ := url.ParseQuery(string(body)) // another service's is no form
	region := awsfault.RegionOf(req)
	action := form.Get("Action")
	if action != "" {
		answer = l.readdress(region, answer)
	}
	if status == http.StatusOK && form.Get("DryRun") != "true" {
		if err := l.follow(context.WithoutCancel(req.Context()), region, action, form, answer); err != nil {
			l.note(fmt.Errorf("%s in %s: %w", action, region, err))
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	if t := header.Get("Content-Type"); t != "" {
		w.Header().Set("Content-Type", t)
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // who asked may be gone
}

// ask gives a request to the emulator, by way of the rules that it does not keep.
func (l *Lab) ask(req *http.Request, body []byte) (status int, header http.Header, answer []byte, err error) {
	out, err := http.NewRequestWithContext(context.WithoutCancel(req.Context()), req.Method, l.proxy.URL+req.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	out.Header = req.Header.Clone()
	out.Header.Del("Accept-Encoding")
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, res.Header, answer, err
}

// address is an element of an answer that has one.
var address = regexp.MustCompile(`<(publicIp|ipAddress|carrierIp|privateIpAddress)>([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)</`)

// readdress puts the lab's addresses in the place of the emulator's.
func (l *Lab) readdress(region string, answer []byte) []byte {
	return address.ReplaceAllFunc(answer, func(found []byte) []byte {
		m := address.FindSubmatch(found)
		given, err := l.addresses.of(region, string(m[1]) == "privateIpAddress", string(m[2]))
		if err != nil {
			l.note(err)
			return found
		}
		return fmt.Appendf(nil, "<%s>%s</", m[1], given)
	})
}

// follow does to the hosts what a call did to the instances.
func (l *Lab) follow(ctx context.Context, region, action string, form url.Values, answer []byte) error {
	switch action {
	case "ImportKeyPair":
		key, err := base64.StdEncoding.DecodeString(form.Get("PublicKeyMaterial"))
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.publicKeys[region+" "+form.Get("KeyName")] = string(key)
		l.mu.Unlock()
		return nil
	case "RunInstances":
		ids := instanceID.FindAllSubmatch(answer, -1)
		var errs []error
		for _, m := range ids {
			errs = append(errs, l.boot(ctx, region, string(m[1]), form))
		}
		return errors.Join(append(errs, l.refresh(ctx))...)
	case "TerminateInstances":
		var errs []error
		for key, values := range form {
			if strings.HasPrefix(key, "InstanceId.") {
				errs = append(errs, l.terminate(ctx, values[0]))
			}
		}
		return errors.Join(append(errs, l.refresh(ctx))...)
	case "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifyInstanceAttribute", "ModifyNetworkInterfaceAttribute",
		"AssociateAddress", "DisassociateAddress":
		return l.refresh(ctx)
	}
	return nil
}

var instanceID = regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`)

// refresh reads what stands in the emulator, and makes the router and the metadata
// say the same.
func (l *Lab) refresh(ctx context.Context) error {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	groups := map[string][]permission{}
	var hosts []endpoint
	for region := range l.subnets {
		api := awsfault.Client(l.moto.URL, region)
		for p := ec2.NewDescribeInstancesPaginator(api, &ec2.DescribeInstancesInput{}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("reading the instances of %s: %w", region, err)
			}
			for _, r := range out.Reservations {
				for _, i := range r.Instances {
					h, err := l.endpoint(region, i)
					if err != nil {
						return err
					}
					if h != nil {
						hosts = append(hosts, *h)
					}
				}
			}
		}
		out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
		if err != nil {
			return fmt.Errorf("reading the security groups of %s: %w", region, err)
		}
		for _, g := range out.SecurityGroups {
			groups[aws.ToString(g.GroupId)] = permissions(g.IpPermissions)
		}
	}
	for _, h := range hosts {
		l.introduce(h)
	}
	return applyRules(ctx, ruleset(hosts, groups, l.subnets))
}

// endpoint is an instance as the router knows it; nil for one that has no host.
func (l *Lab) endpoint(region string, i types.Instance) (*endpoint, error) {
	id := aws.ToString(i.InstanceId)
	l.mu.Lock()
	_, stands := l.hosts[id]
	l.mu.Unlock()
	if !stands {
		return nil, nil
	}
	h := &endpoint{id: id, region: region}
	var err error
	if h.private, err = l.addresses.of(region, true, aws.ToString(i.PrivateIpAddress)); err != nil {
		return nil, err
	}
	if public := aws.ToString(i.PublicIpAddress); public != "" {
		if h.public, err = l.addresses.of(region, false, public); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	add := func(groups []types.GroupIdentifier) {
		for _, g := range groups {
			if g := aws.ToString(g.GroupId); !seen[g] {
				seen[g] = true
				h.groups = append(h.groups, g)
			}
		}
	}
	add(i.SecurityGroups)
	for _, n := range i.NetworkInterfaces {
		add(n.Groups)
	}
	return h, nil
}

func permissions(list []types.IpPermission) []permission {
	var all []permission
	for _, p := range list {
		mine := permission{protocol: aws.ToString(p.IpProtocol), from: int(aws.ToInt32(p.FromPort)), to: int(aws.ToInt32(p.ToPort))}
		for _, r := range p.IpRanges {
			mine.cidrs = append(mine.cidrs, aws.ToString(r.CidrIp))
		}
		for _, g := range p.UserIdGroupPairs {
			mine.groups = append(mine.groups, aws.ToString(g.GroupId))
		}
		all = append(all, mine)
	}
	return all
}
