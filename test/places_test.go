package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"crossring/internal/topology"
)

// withCCM says what is missing to install ccm.
func withCCM(cell) string {
	if _, err := exec.LookPath("python3"); err != nil {
		return "there is no python3 for ccm: apt-get install python3-venv"
	}
	return ""
}

// layCCM installs ccm, which makes all else.
func layCCM(t *testing.T, h home, c cell) ground {
	t.Helper()
	return ground{
		home: h,
		spec: h.spec(t, c.spec("ccm: {command: "+venv(t, ccmVersion)+"}\n")),
		kill: func(t *testing.T, p topology.Process) { kill9(t, p.PID) },
		dead: noProcess,
		gone: func(t *testing.T, inv topology.Inventory) { h.nothingOfCCM(t, inv) },
	}
}

// withPodman says what is missing to run containers, or to make the image for them.
func withPodman(c cell) string {
	for _, tool := range []string{"podman", "runc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "there is no " + tool + ": apt-get install podman runc netavark iptables"
		}
	}
	_, err := exec.LookPath("iptables")
	if _, sbin := os.Stat("/usr/sbin/iptables"); err != nil && sbin != nil {
		return "podman's networks are made with iptables, and there is none: apt-get install iptables"
	}
	if os.Getuid() != 0 {
		return "not possible here: containers with addresses of their own need root"
	}
	if exec.Command("podman", "image", "exists", testImage(c.version)).Run() == nil {
		return ""
	}
	if base, err := baseImage(); err != nil {
		return err.Error()
	} else if _, err := os.Stat(base); err == nil {
		return ""
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return "there is no image to test with, and no debootstrap to make one: apt-get install debootstrap"
	}
	return ""
}

// layContainers starts Podman's Docker API, with an image of the cell's version.
func layContainers(t *testing.T, h home, c cell) ground {
	t.Helper()
	p := startPodman(t)
	return ground{
		home: h,
		spec: h.spec(t, c.spec("containers: {image: '"+p.image(t, c.version)+"', docker_host: '"+p.url+"'}\n")),
		kill: func(t *testing.T, p topology.Process) { kill9(t, p.PID) }, // root sees into containers
		dead: noProcess,
		gone: func(t *testing.T, _ topology.Inventory) {
			if left := p.left(t, c.name()); left != "" {
				t.Errorf("left behind: %s", left)
			}
			if left, err := filepath.Glob(filepath.Join(h.state, "clusters", "*")); err != nil || len(left) > 0 {
				t.Errorf("directories of clusters are left: %v (%v)", left, err)
			}
		},
	}
}
