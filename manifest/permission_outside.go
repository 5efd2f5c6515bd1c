package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (m *Manifest) mountGrants() []grant {
	var grants []grant
	for i, t := range m.Mounts {
		level, meaning := t.level()
		what, access := "Volume "+t.Volume, "read only"
		if t.Host != "" {
			what = "Host folder " + t.Host
		}
		if t.Write {
			access = "read and write"
		}
		grants = append(grants, grant{
			Permission: Permission{
				ID: "mount:" + t.Path, Group: "mounts", Title: fmt.Sprintf("%s at %s, %s", what, t.Path, access),
				Meaning: meaning, Level: level, Reason: t.Reason, Optional: t.Optional, Path: entry("mounts", i),
			},
			subject: "mount:" + t.Path,
			in:      func(outer *Manifest) bool { return slices.ContainsFunc(outer.Mounts, t.inside) },
		})
	}
	return grants
}

// inside reports whether outer allows all that t does: the same folder at the
// same place, with no less access.
func (t Mount) inside(outer Mount) bool {
	return outer.Path == t.Path && outer.Volume == t.Volume && outer.Host == t.Host && (outer.Write || !t.Write)
}

// secretPlaces are folders of a host that give more away than files: sockets
// of services, which a read-only mount does not keep from being used, keys,
// and everyone's homes.
var secretPlaces = []string{"/boot", "/etc", "/home", "/root", "/run", "/var/lib", "/var/run"}

func (t Mount) level() (Level, string) {
	switch {
	case t.Volume != "" && t.Write:
		return Normal, "Keep data on your disk beyond the container's end, in a place of its own."
	case t.Volume != "":
		return Normal, "Read what earlier containers of this image kept."
	case t.Write:
		return Special, "Change and delete your files in this folder."
	case slices.ContainsFunc(secretPlaces, func(p string) bool { return within(p, t.Host) || within(t.Host, p) }):
		return Special, "Read what is in this folder, where keys, other people's files or sockets of the machine's services can lie."
	}
	return Dangerous, "Read your files in this folder, and talk to whoever listens on a socket there."
}

// deviceClass judges devices whose path matches a pattern of [path.Match].
type deviceClass struct {
	pattern string
	level   Level
	meaning string
}

const (
	wholeDisk  = "Read and change a whole disk or partition, past all files' rights."
	kernelPart = "Read or change the kernel's memory, and so own the machine."
	keystrokes = "Read every key pressed and every move of the mouse, or forge them."
)

// The first match counts.
var deviceClasses = [...]deviceClass{
	{"/dev/sd*", Special, wholeDisk}, {"/dev/hd*", Special, wholeDisk}, {"/dev/vd*", Special, wholeDisk},
	{"/dev/xvd*", Special, wholeDisk}, {"/dev/nvme*", Special, wholeDisk}, {"/dev/mmcblk*", Special, wholeDisk},
	{"/dev/dm-*", Special, wholeDisk}, {"/dev/md*", Special, wholeDisk}, {"/dev/loop*", Special, wholeDisk},
	{"/dev/sr*", Special, wholeDisk}, {"/dev/sg*", Special, wholeDisk}, {"/dev/mapper/*", Special, wholeDisk}, {"/dev/disk/*", Special, wholeDisk},
	{"/dev/disk/*/*", Special, wholeDisk}, {"/dev/block/*", Special, wholeDisk},
	{"/dev/mem", Special, kernelPart}, {"/dev/kmem", Special, kernelPart}, {"/dev/port", Special, kernelPart},
	{"/dev/kmsg", Special, "Read and forge the kernel's log."},
	{"/dev/input/*", Special, keystrokes}, {"/dev/uinput", Special, keystrokes}, {"/dev/hidraw*", Special, keystrokes},
	{"/dev/kvm", Special, "Run virtual machines, by a part of the kernel with deep access to the processor."},
	{"/dev/net/tun", Special, "Make network interfaces, and send and read raw packets by them."},
	{"/dev/vhost*", Special, "Reach parts of the kernel that serve virtual machines."},
	{"/dev/vfio/*", Special, "Drive hardware directly, and so read all of the machine's memory where nothing stops it."},
	{"/dev/bus/usb/*/*", Special, "Drive a USB device directly, whatever it is."},
	{"/dev/tpm*", Special, "Use the chip that keeps the machine's keys."},
	{"/dev/tty*", Special, "Read and write another terminal, and so what you type there."},
	{"/dev/pts/*", Special, "Read and write another terminal, and so what you type there."},
	{"/dev/fuse", Dangerous, "Serve file systems of its own making to the kernel."},
	{"/dev/video*", Dangerous, "Look through the camera."},
	{"/dev/snd/*", Dangerous, "Listen through the microphone, and make sounds."},
	{"/dev/dri/*", Dangerous, "Use the graphics processor, by a large part of the kernel, and perhaps see the screen."},
	{"/dev/nvidia*", Dangerous, "Use the graphics processor, by a driver with deep access to the machine."},
	{"/dev/kfd", Dangerous, "Use the graphics processor, by a large part of the kernel."},
}

func deviceLevel(device string) (Level, string) {
	for _, c := range deviceClasses {
		if ok, err := path.Match(c.pattern, device); err == nil && ok {
			return c.level, c.meaning
		}
	}
	return Dangerous, "Use this device of the machine, by whatever its driver allows."
}

func (m *Manifest) deviceGrants() []grant {
	var grants []grant
	for i, d := range m.Devices {
		level, meaning := deviceLevel(d.Path)
		grants = append(grants, grant{
			Permission: Permission{
				ID: "device:" + d.Path, Group: "devices", Title: "Device " + strings.TrimPrefix(d.Path, "/dev/"),
				Meaning: meaning, Level: level, Reason: d.Reason, Optional: d.Optional, Path: entry("devices", i),
			},
			subject: "device:" + d.Path,
			in: func(outer *Manifest) bool {
				return slices.ContainsFunc(outer.Devices, func(o Device) bool { return o.Path == d.Path })
			},
		})
	}
	return grants
}
