package prepare

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/topology"
)

// loop makes a block device of a file. It is detached at the end of the test.
func loop(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not possible here: loop devices need root")
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 64<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "-f", "--show", file).CombinedOutput()
	if err != nil {
		t.Skipf("not possible here: no loop device to be had: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", dev).CombinedOutput(); err != nil {
			t.Errorf("detach %s: %v: %s", dev, err, out)
		}
	})
	return dev
}

// diskRequest is one whose volumes are to be made of devices. They are
// unmounted at the end of the test.
func diskRequest(t *testing.T, devices ...string) Request {
	t.Helper()
	req := request(t)
	req.complete()
	req.Node.Host.Devices = devices
	for _, v := range volumes(req.Disks) {
		mount := filepath.Join(req.root(), "fs", v)
		t.Cleanup(func() {
			if exec.Command("mountpoint", "-q", mount).Run() != nil {
				return
			}
			if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
				t.Errorf("unmount %s: %v: %s", mount, err, out)
			}
		})
	}
	return req
}

func ask(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", command, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestTwoBlankDisks(t *testing.T) {
	a, b := loop(t), loop(t)
	req := diskRequest(t, a, b)
	list, err := disks(t.Context(), here{}, req)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	for i, v := range list {
		name := []string{"fs1", "fs2"}[i]
		if v.Name != name || v.Device != []string{a, b}[i] || !v.Made || v.Mount != filepath.Join(req.root(), "fs", name) {
			t.Errorf("%+v", v)
		}
		if got := ask(t, "findmnt", "-nfo", "SOURCE,FSTYPE", "-M", v.Mount); strings.Join(strings.Fields(got), " ") != v.Device+" ext4" {
			t.Errorf("%s is %q", v.Mount, got)
		}
		if got := ask(t, "blkid", "-p", "-s", "UUID", "-o", "value", v.Device); got != v.UUID || got == "" {
			t.Errorf("%s has UUID %q, not %q", v.Device, got, v.UUID)
		}
	}
	table, err := os.ReadFile(req.Fstab)
	if err != nil || strings.Count(string(table), "\n") != 2 || !strings.Contains(string(table), "UUID="+list[0].UUID+" "+list[0].Mount+" ext4 ") {
		t.Errorf("fstab: %s, %v", table, err)
	}

	again, err := disks(t.Context(), here{}, req)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range again {
		if v.Made || v.UUID != list[i].UUID || v.Device != list[i].Device {
			t.Errorf("a second time made %+v of %+v", v, list[i])
		}
	}
	if now, err := os.ReadFile(req.Fstab); err != nil || string(now) != string(table) {
		t.Errorf("a second time changed fstab to %s, %v", now, err)
	}

	// Unmounted, as after a boot that forgot: what bears the label is mounted, not made.
	if _, err := (here{}).Script(t.Context(), "unmount", unmountScript, req.Fstab, req.ID); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(req.Fstab); err != nil || len(now) != 0 {
		t.Errorf("fstab after the unmount: %q, %v", now, err)
	}
	if _, err := os.Stat(list[0].Mount); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", list[0].Mount, err)
	}
	again, err = disks(t.Context(), here{}, req)
	if err != nil || len(again) != 2 || again[0].Made || again[0].UUID != list[0].UUID || again[1].UUID != list[1].UUID {
		t.Errorf("mounted again: %+v, %v", again, err)
	}
}

func TestADiskThatHoldsSomethingIsRefused(t *testing.T) {
	for what, prepare := range map[string][]string{
		"ext4": {"mkfs.ext4", "-q"},
		"partition table dos": {"sh", "-c", `printf '\0\0\2\0\203\0\5\0\1\0\0\0\0\020' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
			printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none`, "sh"},
		"swap": {"mkswap"},
	} {
		t.Run(what, func(t *testing.T) {
			blank, full := loop(t), loop(t)
			ask(t, prepare[0], append(prepare[1:], full)...)
			before := ask(t, "sha256sum", full)
			req := diskRequest(t, blank, full)
			var not *NotBlankError
			if _, err := disks(t.Context(), here{}, req); !errors.As(err, &not) || not.Device != full || not.Holds != what {
				t.Errorf("%v", err)
			}
			if after := ask(t, "sha256sum", full); after != before {
				t.Error("the disk was changed")
			}
			if out, err := exec.Command("blkid", "-p", blank).CombinedOutput(); err == nil {
				t.Errorf("the blank one was formatted before the other was looked at: %s", out)
			}
		})
	}
}

func TestFormatLooksAgain(t *testing.T) {
	dev := loop(t)
	ask(t, "mkfs.ext4", "-q", "-L", "theirs", dev)
	if _, err := (here{}).Script(t.Context(), "format", blankScript+formatScript, dev, "crossring-fs1"); err == nil {
		t.Error("a disk with a file system was formatted")
	}
	if got := ask(t, "blkid", "-p", "-s", "LABEL", "-o", "value", dev); got != "theirs" {
		t.Errorf("its label is now %q", got)
	}
}

func TestFewerDisksThanVolumes(t *testing.T) {
	var notes []string
	one := diskRequest(t, loop(t))
	one.Note = func(s string) { notes = append(notes, s) }
	list, err := disks(t.Context(), here{}, one)
	if err != nil || len(list) != 2 || list[0].Device == "" || list[1].Device != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "fs2") {
		t.Errorf("said: %q", notes)
	}
}

func TestNoDisks(t *testing.T) {
	var notes []string
	req := request(t)
	req.complete()
	req.Note = func(s string) { notes = append(notes, s) }
	list, err := disks(t.Context(), here{}, req)
	if err != nil || len(list) != 2 || list[0].Device+list[1].Device != "" || len(notes) != 2 {
		t.Errorf("%+v, %q, %v", list, notes, err)
	}
}

func TestVolumesAreNamedOnce(t *testing.T) {
	got := strings.Join(volumes(topology.Disks{Data: "a", Commitlog: "a", SavedCaches: "b"}), " ")
	if got != "a b" {
		t.Error(got)
	}
	if l := label("a-very-long-volume-name"); len(l) != 16 {
		t.Errorf("%q is %d bytes", l, len(l))
	}
}
