//go:build linux

package awslab

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossring/provision/local/imds"
	"crossring/test/awsfault"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// disks is how many a host has beside its root; diskBytes is the size of each, of
// which only what is written takes room.
const (
	disks     = 2
	diskBytes = 8 << 30
)

// host is one that was started for an instance.
type host struct {
	box
	instance imds.Instance
	devices  []string // loop devices
	metadata *http.Server
	answers  *imds.Metadata
}

// boot starts the host of an instance that was just run. One that is there is left as
// it is: the call was made again with its token.
func (l *Lab) boot(ctx context.Context, region, id string, form url.Values) error {
	l.mu.Lock()
	_, stands := l.hosts[id]
	key := l.publicKeys[region+" "+form.Get("KeyName")]
	l.mu.Unlock()
	if stands {
		return nil
	}
	out, err := awsfault.Client(l.moto.URL, region).DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return err
	}
	if len(out.Reservations) == 0 || len(out.Reservations[0].Instances) == 0 {
		return fmt.Errorf("the emulator does not know %s", id)
	}
	i := out.Reservations[0].Instances[0]
	private, err := l.addresses.of(region, true, aws.ToString(i.PrivateIpAddress))
	if err != nil {
		return err
	}
	userData, err := base64.StdEncoding.DecodeString(form.Get("UserData"))
	if err != nil {
		return fmt.Errorf("user-data: %w", err)
	}
	hostname := "ip-" + strings.ReplaceAll(private, ".", "-")
	h := &host{
		box: box{name: prefix + id, namespace: prefix + id, hostname: hostname, private: private, memoryMB: l.MemoryMB},
		instance: imds.Instance{ID: id, Zone: aws.ToString(i.Placement.AvailabilityZone), Region: region, Private: private,
			TokenRequired: form.Get("MetadataOptions.HttpTokens") == "required",
			More: map[string]string{
				"/latest/meta-data/hostname":                     hostname + ".ec2.internal",
				"/latest/meta-data/local-hostname":               hostname + ".ec2.internal",
				"/latest/meta-data/instance-type":                string(i.InstanceType),
				"/latest/meta-data/ami-id":                       aws.ToString(i.ImageId),
				"/latest/meta-data/public-keys/0/openssh-key":    key,
				"/latest/meta-data/placement/availability-zone/": aws.ToString(i.Placement.AvailabilityZone),
			}},
	}
	if len(userData) > 0 {
		h.instance.More["/latest/user-data"] = string(userData)
	}
	h.answers = imds.Handler(h.instance)
	l.mu.Lock()
	l.hosts[id] = h
	l.mu.Unlock()
	if err := l.build(ctx, h); err != nil {
		return fmt.Errorf("starting the host of %s: %w", id, errors.Join(err, l.terminate(ctx, id)))
	}
	l.say("%s: host %s in %s, private %s", id, h.name, h.instance.Zone, private)
	return nil
}

// build makes what a host consists of.
func (l *Lab) build(ctx context.Context, h *host) error {
	if err := addNamespace(ctx, h.namespace); err != nil {
		return err
	}
	if err := attach(ctx, h.namespace, port(h.instance.ID), h.private, spaces[h.instance.Region].gateway()); err != nil {
		return err
	}
	if err := ip(ctx, h.namespace, "address add "+metadataAddress+"/32 dev lo\n"); err != nil {
		return err
	}
	listener, err := listenIn(ctx, h.namespace, metadataAddress+":80")
	if err != nil {
		return err
	}
	h.metadata = &http.Server{Handler: h.answers}
	go func() { _ = h.metadata.Serve(listener) }() // until it is closed
	for k := range disks {
		device, err := l.addDisk(ctx, fmt.Sprintf("%s-%d", h.instance.ID, k))
		if err != nil {
			return err
		}
		h.devices = append(h.devices, device)
	}
	h.box.devices = h.devices
	return l.engine.start(ctx, h.box)
}

// introduce gives a host's metadata its public address.
func (l *Lab) introduce(e endpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.hosts[e.id]; ok {
		h.answers.SetPublic(e.public)
	}
}

// terminate takes a host away with all that it was made of.
func (l *Lab) terminate(ctx context.Context, id string) error {
	l.mu.Lock()
	h, ok := l.hosts[id]
	delete(l.hosts, id)
	l.mu.Unlock()
	if !ok {
		return nil
	}
	errs := []error{l.engine.remove(ctx, h.name)}
	if h.metadata != nil {
		errs = append(errs, h.metadata.Close())
	}
	for _, d := range h.devices {
		errs = append(errs, command(ctx, "losetup", "-d", d))
	}
	for k := range disks {
		if err := os.Remove(l.diskFile(fmt.Sprintf("%s-%d", id, k))); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if _, err := os.Stat(filepath.Join("/run/netns", h.namespace)); err == nil {
		// The kernel takes the namespace's end of the line away some time later; this is
		// both ends, now. A host that was half made has none.
		_ = command(ctx, "ip", "-n", routerNS, "link", "del", port(id))
		errs = append(errs, command(ctx, "ip", "netns", "del", h.namespace))
	}
	l.say("%s: gone", id)
	return errors.Join(errs...)
}

// port is the router's device of an instance's line. Its name has 15 characters at most.
func port(instance string) string { return "h" + instance[len(instance)-12:] }

func (l *Lab) diskFile(name string) string { return filepath.Join(l.engine.dir, "disks", name) }

// addDisk makes a blank disk, and gives its device.
func (l *Lab) addDisk(ctx context.Context, name string) (string, error) {
	file := l.diskFile(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("make a disk: %w", err)
	}
	f, err := os.Create(file)
	if err != nil {
		return "", fmt.Errorf("make a disk: %w", err)
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close()); err != nil {
		return "", fmt.Errorf("make a disk: %w", err)
	}
	return output(ctx, nil, "losetup", "--find", "--show", file)
}

// loops lists the loop devices of the lab's disks.
func (e engine) loops(ctx context.Context) ([]string, error) {
	out, err := output(ctx, nil, "losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE")
	if err != nil {
		return nil, err
	}
	var list []string
	for line := range strings.Lines(out) {
		device, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(file, filepath.Join(e.dir, "disks")+"/") {
			list = append(list, device)
		}
	}
	return list, nil
}

// console is what a host has printed.
func (l *Lab) console(instance string) string {
	l.mu.Lock()
	h, ok := l.hosts[instance]
	l.mu.Unlock()
	if !ok {
		return ""
	}
	// The emulator's call has no context to give.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	text, err := l.engine.podman(ctx, "logs", h.name)
	if err != nil {
		l.note(err)
	}
	return strings.ReplaceAll(text, "\r", "")
}
