package prepare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossring/internal/topology"
)

// Volume is one of the logical disks.
type Volume struct {
	Name   string `json:"name"`
	Mount  string `json:"mount"`
	Device string `json:"device"` // "" when it is a directory of the disk around it
	UUID   string `json:"uuid"`
	Made   bool   `json:"made"` // its file system was made just now
}

// NotBlankError says that a device that was named for formatting holds something.
type NotBlankError struct{ Node, Device, Holds string }

func (e *NotBlankError) Error() string {
	return fmt.Sprintf("%s: %s holds %s: it is left alone", e.Node, e.Device, e.Holds)
}

// NodeName is the node that the text names.
func (e *NotBlankError) NodeName() string { return e.Node }

// Attached is a disk that was attached for one volume and no other. The names that
// disks get on a machine follow the order in which they answer, not the order in which
// they were attached.
type Attached struct {
	ID     string // of an EBS volume, "vol-0abc…"; without the hyphen it is the serial number
	Device string // name that it was attached by: /dev/sdf
}

// MissingDiskError says that a disk that was attached for a volume is not to be seen.
type MissingDiskError struct{ Node, Volume, ID string }

func (e *MissingDiskError) Error() string {
	return fmt.Sprintf("%s: disk %s, attached for %s, is not among the machine's disks", e.Node, e.ID, e.Volume)
}

// NodeName is the node that the text names.
func (e *MissingDiskError) NodeName() string { return e.Node }

// device is a block device as a survey finds it.
type device struct {
	path  string
	label string // of a file system made by crossring
	// serial is the disk's own number, "" where it has none; model likewise.
	serial, model string
	holds         string // "" when it is blank
}

// localModel is what the disks of an EC2 instance's own call themselves.
const localModel = "Amazon EC2 NVMe Instance Storage"

// is says whether a device is the disk that was attached. Where disks have serial
// numbers it goes by those, else by the name: Xen shows /dev/sdf as /dev/xvdf.
func (a Attached) is(d device) bool {
	if strings.HasPrefix(d.serial, "vol") {
		return d.serial == strings.ReplaceAll(a.ID, "-", "")
	}
	letter, ok := strings.CutPrefix(a.Device, "/dev/sd")
	return ok && (d.path == a.Device || d.path == "/dev/xvd"+letter)
}

// anybodys says that nothing tells what a device was attached for.
func (d device) anybodys() bool {
	return !strings.HasPrefix(d.serial, "vol") && d.model != localModel && !strings.HasPrefix(d.path, "/dev/xvd")
}

// blank chooses a device for a volume: the one that was attached for it, if one was.
func (r Request) blank(volume string, found []device) int {
	a, attached := r.Attached[volume]
	if !attached {
		return slices.IndexFunc(found, func(d device) bool { return d.holds == "" })
	}
	if i := slices.IndexFunc(found, func(d device) bool { return d.holds == "" && a.is(d) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(found, func(d device) bool { return d.holds == "" && d.anybodys() })
}

func volumes(d topology.Disks) []string {
	var names []string
	for _, name := range []string{d.Data, d.Commitlog, d.SavedCaches} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// label is that of the file system of a volume. ext4 has room for 16 bytes.
func label(volume string) string {
	l := "crossring-" + volume
	return l[:min(len(l), 16)]
}

// disks sees that each volume is mounted, on a device of its own as far as there
// are any: one that bears its label from before, or else one that is blank.
func disks(ctx context.Context, m Machine, req Request) ([]Volume, error) {
	var found []device
	h := req.Node.Host
	if h != nil && (h.AnyDevice || len(h.Devices) > 0) {
		var err error
		if found, err = survey(ctx, m, req); err != nil {
			return nil, err
		}
	}
	var list []Volume
	for _, name := range volumes(req.Disks) {
		v := Volume{Name: name, Mount: req.root() + "/fs/" + name}
		out, err := m.Script(ctx, "look at "+v.Mount, mountedScript, v.Mount)
		if err != nil {
			return list, err
		}
		if v.Device, v.UUID, _ = strings.Cut(strings.TrimSpace(out), " "); v.Device != "" {
			list = append(list, v)
			continue
		}
		i := slices.IndexFunc(found, func(d device) bool { return d.label == label(name) })
		if i < 0 {
			i = req.blank(name, found)
			v.Made = i >= 0
		}
		if a, attached := req.Attached[name]; i < 0 && attached {
			return list, &MissingDiskError{Node: req.Node.Name, Volume: name, ID: a.ID}
		}
		if i < 0 {
			req.Note(fmt.Sprintf("%s: no device for volume %s: it is a directory, %s", req.Node.Name, name, v.Mount))
			list = append(list, v)
			continue
		}
		v.Device = found[i].path
		found = slices.Delete(found, i, i+1)
		if v.Made {
			if _, err := m.Script(ctx, "format "+v.Device, blankScript+formatScript, v.Device, label(name)); err != nil {
				return list, err
			}
		}
		out, err = m.Script(ctx, "mount "+v.Device, mountScript, v.Device, v.Mount, req.Fstab, req.ID)
		if err != nil {
			return list, err
		}
		v.UUID = strings.TrimSpace(out)
		list = append(list, v)
	}
	return list, nil
}

// survey looks at the devices that may be used. One that was named and holds
// something is an error, before anything is formatted.
func survey(ctx context.Context, m Machine, req Request) ([]device, error) {
	out, err := m.Script(ctx, "look at disks", blankScript+surveyScript, req.Node.Host.Devices...)
	if err != nil {
		return nil, err
	}
	var list []device
	var foreign []error
	for line := range strings.Lines(out) {
		const fields = 5
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", fields)
		if len(f) != fields {
			return nil, fmt.Errorf("disks of %s: unexpected answer %q", req.Node.Name, line)
		}
		d := device{path: f[0], label: f[1], serial: strings.TrimSpace(f[2]), model: strings.TrimSpace(f[3]), holds: f[4]}
		ours := strings.HasPrefix(d.label, "crossring-")
		if d.holds != "" && !ours && !req.Node.Host.AnyDevice {
			foreign = append(foreign, &NotBlankError{Node: req.Node.Name, Device: d.path, Holds: d.holds})
		}
		list = append(list, d)
	}
	return list, errors.Join(foreign...)
}

const (
	// blankScript has holds: what is on device $1, or nothing. A device is blank
	// only if every tool that can tell says so.
	blankScript = `holds() {
  [ -b "$1" ] || { echo "no block device"; return; }
  if [ "$(lsblk -nrpo NAME "$1" | wc -l)" -gt 1 ]; then echo "partitions or holders"; return; fi
  if [ -n "$(lsblk -nrpo MOUNTPOINT "$1" | tr -d ' \n')" ]; then echo "a mounted file system"; return; fi
  if grep -q "^$(readlink -f "$1") " /proc/swaps /proc/mounts; then echo "something in use"; return; fi
  st=0; found=$(blkid -p -o export "$1" 2>&1) || st=$?
  if [ $st -ne 2 ]; then
    t=$(echo "$found" | sed -n 's/^TYPE=//p;s/^PTTYPE=/partition table /p' | head -n 1)
    echo "${t:-something that blkid can not tell}"; return
  fi
  w=$(wipefs -n "$1" 2>&1) || { echo "something that wipefs can not read"; return; }
  if [ -n "$w" ]; then echo "a signature"; fi
}
`
	// The device nodes count, not what the kernel lists: in a container the devices
	// of the whole computer are listed.
	surveyScript = `if [ $# -eq 0 ]; then
  set -- $(lsblk -dnrpo NAME,TYPE | sed -n 's/ disk$//p;s/ loop$//p' | sort)
  any=1
else any=; fi
for d in "$@"; do
  [ -b "$d" ] || [ -z "$any" ] || continue
  [ "$(lsblk -dnrbo SIZE "$d" 2>/dev/null || echo 1)" != 0 ] || continue
  h=$(holds "$d")
  l=$(blkid -p -s LABEL -o value "$d" || true)
  # Not by udev, which may be late.
  at=/sys/block/$(basename "$(readlink -f "$d")")/device
  printf '%s\t%s\t%s\t%s\t%s\n' "$d" "$l" "$(cat "$at/serial" 2>/dev/null || true)" "$(cat "$at/model" 2>/dev/null || true)" "$h"
done`
	formatScript = `h=$(holds "$1")
[ -z "$h" ] || { echo "$1 holds $h" >&2; exit 1; }
mkfs.ext4 -q -L "$2" "$1"`
	mountedScript = `if mountpoint -q "$1"; then
  d=$(findmnt -nfo SOURCE -M "$1")
  echo "$d $(findmnt -nfo UUID -M "$1" || true)"
fi`
	// x- options are for whoever reads the file; mount passes them over.
	mountScript = `u=$(blkid -p -s UUID -o value "$1")
mkdir -p "$2"
if ! grep -qs "^UUID=$u $2 " "$3"; then
  [ ! -s "$3" ] || [ -z "$(tail -c 1 "$3")" ] || echo >>"$3"
  echo "UUID=$u $2 ext4 noatime,nofail,x-crossring=$4 0 2" >>"$3"
fi
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
# udev's links are late, or missing in a container: the UUID is looked for on the device.
mount -T "$3" "$2" 2>/dev/null || mount -t ext4 -o noatime "$1" "$2"
[ "$(findmnt -nfo UUID -M "$2" || echo "$u")" = "$u" ]
echo "$u"`
	unmountScript = `f=$1 id=$2
[ -f "$f" ] || exit 0
sed -n "s/^UUID=[^ ]* \([^ ]*\) ext4 [^ ]*x-crossring=$id .*/\1/p" "$f" | while read -r m; do
  if mountpoint -q "$m"; then umount "$m"; fi
  rmdir "$m" 2>/dev/null || true
done
grep -v "x-crossring=$id " "$f" >"$f.new" || true
cat "$f.new" >"$f"
rm -f "$f.new"`
)
