//go:build linux

package awslab

import (
	"testing"

	"crossring/internal/run"
)

func TestJourney(t *testing.T) {
	needLab(t)
	o := newOperator(t)
	publish(t, "5.0.5")
	spec := o.spec("lab", "5.0.5", 1)
	up := decode[run.UpResult](t, o.want(0, "up", "-f", spec, "--until", "provision", "-o", "json"))
	for _, h := range up.Inventory.EC2.Hosts {
		out, err := world.lab.Inside(t.Context(), h.Instance, "systemctl is-system-running --wait; systemctl --failed; cat /home/admin/.ssh/authorized_keys; curl -sS http://169.254.169.254/latest/meta-data/public-ipv4; ip a")
		t.Log(out, err)
	}
	t.Log(o.crossring("exec", "lab", "--", "sudo id; lsblk; ls -l /dev; hostname"))
	t.Log(o.crossring("up", "-f", spec, "-v"))
	t.Log(o.crossring("status", "lab"))
	t.Log(o.crossring("repro", "lab", "--rows", "20000"))
	t.Log(o.crossring("down", "lab", "--yes"))
	t.Log(world.lab.Left(t.Context()))
}
