package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSetupLeavesNoPolicy interrupts the set-up of the tests' programs. It keeps services
// from starting while it installs them, and whatever ends it, that may not stay: no
// service would start at any later installation.
func TestSetupLeavesNoPolicy(t *testing.T) {
	for what, tt := range map[string]struct {
		before string // the policy that is there
		signal syscall.Signal
		after  string // the policy that is left
	}{
		"to its end":                  {},
		"SIGTERM":                     {signal: syscall.SIGTERM},
		"SIGINT":                      {signal: syscall.SIGINT},
		"after one that was killed":   {before: "#!/bin/sh\n# crossring setup\nexit 101\n"},
		"with the computer's own one": {before: "#!/bin/sh\nexit 0\n", after: "#!/bin/sh\nexit 0\n", signal: syscall.SIGTERM},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			bin, policy := filepath.Join(dir, "bin"), filepath.Join(dir, "policy-rc.d")
			began, goOn := filepath.Join(dir, "began"), filepath.Join(dir, "go-on")
			for _, d := range []string{bin, filepath.Join(dir, "scripts")} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			script, err := os.ReadFile("../scripts/setup.sh")
			if err != nil {
				t.Fatal(err)
			}
			// It looks for programs beside PATH, too; here there are none.
			script = bytes.ReplaceAll(script, []byte("$PATH:/usr/sbin:/sbin:/usr/lib/podman"), []byte("$PATH"))
			if err := os.WriteFile(filepath.Join(dir, "scripts", "setup.sh"), script, 0o644); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{
				"id": "echo 0", "go": "exit 0", "make": "exit 0",
				"apt-get": `case "$*" in *install*) : >` + began + `; while [ ! -e ` + goOn + ` ]; do sleep 0.01; done ;; esac`,
			} {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"sh", "sed", "grep", "mktemp", "date", "rm", "chmod", "cat", "head", "tail", "dirname", "sleep", "env"} {
				path, err := exec.LookPath(name)
				if err == nil {
					err = os.Symlink(path, filepath.Join(bin, name))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if tt.before != "" {
				if err := os.WriteFile(policy, []byte(tt.before), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("/bin/sh", filepath.Join(dir, "scripts", "setup.sh"), "--tests")
			cmd.Env = []string{"PATH=" + bin, "HOME=" + dir, "TMPDIR=" + dir, "POLICY_RC_D=" + policy}
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, patience, "apt-get runs", func() bool {
				_, err := os.Stat(began)
				return err == nil
			})
			if _, err := os.Stat(policy); err != nil {
				t.Errorf("services would be started: %v", err)
			}
			if tt.signal != 0 {
				if err := cmd.Process.Signal(tt.signal); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(goOn, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got, want := cmd.ProcessState.ExitCode() != 0, tt.signal != 0; got != want {
				t.Errorf("exit %d\n%s", cmd.ProcessState.ExitCode(), said.String())
			}
			left, err := os.ReadFile(policy)
			if string(left) != tt.after || (err == nil) != (tt.after != "") {
				t.Errorf("left: %q, %v\n%s", left, err, said.String())
			}
		})
	}
}
