package prepare

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"crossring/internal/topology"
)

// seen is a machine of which only the disks are known: the lines of a survey.
type seen struct {
	disks     []string
	formatted map[string]string // device by label
}

func (s *seen) Script(_ context.Context, name, _ string, args ...string) (string, error) {
	switch {
	case name == "look at disks":
		return strings.Join(s.disks, "\n") + "\n", nil
	case strings.HasPrefix(name, "format "):
		s.formatted[args[1]] = args[0]
	case strings.HasPrefix(name, "mount "):
		return "a-uuid\n", nil
	}
	return "", nil
}

func (*seen) ScriptIn(context.Context, string, string, []byte, ...string) (string, error) {
	panic("nothing is to be written")
}

func (*seen) Upload(context.Context, string, string, fs.FileMode, func(int64, int64)) error {
	panic("nothing is to be uploaded")
}

// Disks answer in any order at boot: what a volume was attached for counts, not the name
// that its disk got.
func TestDisksAreTakenForWhatTheyWereAttachedFor(t *testing.T) {
	const (
		root  = "/dev/nvme0n1\t\tvol0aaaa\tAmazon Elastic Block Store\tpartitions or holders"
		own   = "/dev/nvme1n1\t\tAWS1111\tAmazon EC2 NVMe Instance Storage        \t"
		log   = "/dev/nvme2n1\t\tvol0cccc            \tAmazon Elastic Block Store\t"
		data  = "/dev/nvme3n1\t\tvol0dddd            \tAmazon Elastic Block Store\t"
		used  = "/dev/nvme3n1\t\tvol0dddd\tAmazon Elastic Block Store\text4"
		after = "/dev/nvme1n1\tcrossring-fs1\tvol0dddd\tAmazon Elastic Block Store\text4"
	)
	ebs := map[string]Attached{"fs1": {ID: "vol-0dddd", Device: "/dev/sdf"}, "fs2": {ID: "vol-0cccc", Device: "/dev/sdg"}}
	for name, c := range map[string]struct {
		disks    []string
		attached map[string]Attached
		fs1, fs2 string // devices that are formatted
		missing  string // volume
	}{
		"the other way round":                {[]string{root, log, data}, ebs, "/dev/nvme3n1", "/dev/nvme2n1", ""},
		"beside disks of the instance's own": {[]string{root, own, log, data}, ebs, "/dev/nvme3n1", "/dev/nvme2n1", ""},
		"not there":                          {[]string{root, own, log}, ebs, "", "", "fs1"},
		"not blank":                          {[]string{root, own, log, used}, ebs, "", "", "fs1"},
		"from before":                        {[]string{root, after, log}, ebs, "", "/dev/nvme2n1", ""},
		"Xen":                                {[]string{"/dev/xvda\t\t\t\tpartitions or holders", "/dev/xvdg\t\t\t\t", "/dev/xvdf\t\t\t\t"}, ebs, "/dev/xvdf", "/dev/xvdg", ""},
		"Xen without one":                    {[]string{"/dev/xvdb\t\t\t\t", "/dev/xvdg\t\t\t\t"}, ebs, "", "", "fs1"},
		"disks that have no number":          {[]string{"/dev/vdb\t\t\t\t", "/dev/vdc\t\t\t\t"}, ebs, "/dev/vdb", "/dev/vdc", ""},
		"nothing was attached":               {[]string{root, own, strings.Replace(own, "1n1", "2n1", 1)}, nil, "/dev/nvme1n1", "/dev/nvme2n1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &seen{disks: c.disks, formatted: map[string]string{}}
			req := Request{Attached: c.attached, Disks: topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"},
				Node: topology.Node{Name: "us-east-1-1", Host: &topology.Host{AnyDevice: true}}}
			req.complete()
			_, err := disks(t.Context(), m, req)
			var missing *MissingDiskError
			switch {
			case c.missing != "":
				if !errors.As(err, &missing) || missing.Volume != c.missing || len(m.formatted) != 0 {
					t.Errorf("%v, formatted %v", err, m.formatted)
				}
			case err != nil || m.formatted["crossring-fs1"] != c.fs1 || m.formatted["crossring-fs2"] != c.fs2:
				t.Errorf("formatted %v, %v", m.formatted, err)
			}
		})
	}
}
