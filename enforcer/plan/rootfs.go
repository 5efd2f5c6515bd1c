package plan

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// fsconfigText is the longest string that fsconfig(2) takes, in bytes.
const fsconfigText = 255

// newFS opens a file system of its own with the given options.
func (b *builder) newFS(about, kind string, attrs string, options ...[2]string) Arg {
	fs := b.open(about, "fsopen", text(kind), flags("FSOPEN_CLOEXEC"))
	for _, o := range options {
		if o[1] == "" {
			b.do(about, "fsconfig", fs, flags("FSCONFIG_SET_FLAG"), text(o[0]), null(), null())
			continue
		}
		b.do(about, "fsconfig", fs, flags("FSCONFIG_SET_STRING"), text(o[0]), text(o[1]), null())
	}
	b.do(about, "fsconfig", fs, flags("FSCONFIG_CMD_CREATE"), null(), null(), null())
	return b.open(about, "fsmount", fs, flags("FSMOUNT_CLOEXEC"), flags(attrs))
}

const (
	attrData = "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC"
	attrRoot = "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV"
)

// attach puts a mount at a path of the new root, which the layer has made
// there and which is opened without following a link.
func (b *builder) attach(about string, mount Arg, at string) {
	b.attached[at] = mount
	target := b.at(about, at)
	b.do(about, "move_mount", mount, text(""), target, text(""), flags("MOVE_MOUNT_F_EMPTY_PATH", "MOVE_MOUNT_T_EMPTY_PATH"))
}

// attachIn puts a mount at a path below a mount of lpm's own or of the kernel,
// where no image can have left a link.
func (b *builder) attachIn(about string, mount Arg, dir, name string) {
	b.attached["/"+dir+"/"+name] = mount
	b.do(about, "move_mount", mount, text(""), fd(dir), text(name), flags("MOVE_MOUNT_F_EMPTY_PATH"))
}

// at opens a path of the new root. RESOLVE_IN_ROOT counts from the descriptor
// that is given, so that the working folder does not matter.
func (b *builder) at(about, p string) Arg {
	h := how("O_PATH|O_CLOEXEC", resolveReal)
	return b.open(about, "openat2", fd(rootFD), text(p), h, size(h))
}

// The names of the descriptors of the new root and of two mounts in it, which
// are those of their folders.
const (
	rootFD = "root"
	procFD = "proc"
	devFD  = "dev"
)

// root mounts the image's tree with the prepared layer over it.
func (b *builder) root() error {
	const about = "mounting the root"
	b.do(about, "mount", null(), text("/"), null(), flags("MS_REC", "MS_PRIVATE"), null())
	// Relative paths, for fsconfig takes no longer ones than 255 bytes.
	b.do(about, "chdir", text(b.Places.Store))
	layer, err := b.inStore(b.Places.Layer)
	if err != nil {
		return err
	}
	tree, err := b.inStore(b.Places.Tree)
	if err != nil {
		return err
	}
	mount, err := b.inStore(b.Places.Mount)
	if err != nil {
		return err
	}
	options := [][2]string{{"lowerdir", layer + ":" + tree}}
	attrs := attrRoot + "|MOUNT_ATTR_RDONLY"
	if b.Mode == Record {
		upper, err := b.scratch("50%", PathFact{Mode: 0o755})
		if err != nil {
			return err
		}
		options = append(options, [2]string{"upperdir", upper + "/upper"}, [2]string{"workdir", upper + "/work"}, [2]string{"userxattr", ""})
		attrs = attrRoot
	}
	for _, o := range options {
		if len(o[1]) > fsconfigText {
			return fmt.Errorf("the path of the data folder is too long for an overlay: %q", o[1])
		}
	}
	root := b.newFS(about, "overlay", attrs, options...)
	b.rename(root, rootFD)
	b.do(about, "move_mount", fd(rootFD), text(""), flags("AT_FDCWD"), text(mount), flags("MOVE_MOUNT_F_EMPTY_PATH"))
	return nil
}

// rename gives the last opened descriptor a name that other steps know.
func (b *builder) rename(from Arg, to string) {
	for i := range b.plan.Ops {
		if b.plan.Ops[i].Out == from.FD {
			b.plan.Ops[i].Out = to
		}
	}
}

// inStore returns a path relative to the data folder.
func (b *builder) inStore(p string) (string, error) {
	rel, err := filepath.Rel(b.Places.Store, p)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "", fmt.Errorf("%q is not in lpm's data folder %q", p, b.Places.Store)
	}
	if strings.ContainsAny(rel, ":,\\") {
		return "", fmt.Errorf("%q has a character that overlay mounts cannot take", rel)
	}
	return rel, nil
}

// scratch mounts an empty tmpfs of the given size in the data folder, seen by
// this container alone, and returns its path. Its folder upper has the owner
// and mode that the overlay's root is to have.
func (b *builder) scratch(size string, like PathFact) (string, error) {
	const about = "mounting the space for written files"
	place, err := b.inStore(b.Places.Scratch)
	if err != nil {
		return "", err
	}
	options := [][2]string{{"size", size}, {"mode", "0755"}}
	if bytes, err := strconv.ParseInt(size, 10, 64); err == nil {
		options = append(options, [2]string{"nr_inodes", inodes(bytes)})
	}
	tmp := b.newFS(about, "tmpfs", "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV", options...)
	// Each lies over the one before, which is in use already.
	b.do(about, "move_mount", tmp, text(""), flags("AT_FDCWD"), text(place), flags("MOVE_MOUNT_F_EMPTY_PATH"))
	b.do(about, "mkdirat", tmp, text("work"), number(0o700))
	b.do(about, "mkdirat", tmp, text("upper"), number(int64(like.Mode)))
	if b.identityMode() == manifest.IdentityRange {
		b.do(about, "fchownat", tmp, text("upper"), number(int64(like.UID)), number(int64(like.GID)), null())
	}
	return place, nil
}

// kernelFiles mounts /proc.
func (b *builder) kernelFiles() error {
	const about = "mounting /proc"
	proc := b.newFS(about, "proc", attrData)
	b.rename(proc, procFD)
	b.attach(about, fd(procFD), "/proc")
	b.pingable()
	return nil
}

// shm is where C libraries keep shared memory, for every user to write to.
const shm = "/dev/shm"

// deviceFiles mounts /dev: the prepared folder, with the nodes of the host
// bound to the places it has for them. A user namespace cannot make nodes.
func (b *builder) deviceFiles() error {
	const about = "mounting /dev"
	layer, err := b.inStore(b.Places.Layer)
	if err != nil {
		return err
	}
	dev := b.clone(about, flags("AT_FDCWD"), layer+"/dev")
	b.rename(dev, devFD)
	b.setAttributes(about, fd(devFD), "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOEXEC")
	b.attach(about, fd(devFD), "/dev")
	for _, d := range devices() {
		about := "binding " + d
		b.device(about, b.clone(about, flags("AT_FDCWD"), d), path.Base(d))
	}
	if b.Options.TTY {
		const about = "binding /dev/console"
		terminal := b.open(about, "open_tree", flags("AT_FDCWD"), Arg{Given: GivenConsole, Text: &b.Options.Console}, flags(cloneFlags()...))
		b.device(about, terminal, "console")
	}
	if b.Mode == Record || b.grantsDevice(ptmx) {
		b.attachIn(about, b.newTerminals(about), devFD, "pts")
	}
	room := [][2]string{{"size", strconv.Itoa(manifest.DefaultWritableSize)}, {"nr_inodes", inodes(manifest.DefaultWritableSize)}}
	if b.Mode == Record {
		// What a manifest will have to grant is still to be found out.
		room = [][2]string{{"size", "25%"}}
	}
	b.attachIn(about, b.newFS(about, "tmpfs", attrData, append(room, [2]string{"mode", "1777"})...), devFD, "shm")
	if b.Mode == Record {
		return nil
	}
	for _, d := range b.Manifest.Devices {
		if d.Path != ptmx && !slices.Contains(devices(), d.Path) {
			about := "binding " + d.Path
			b.device(about, b.exact(about, d.Path), strings.TrimPrefix(d.Path, "/dev/"))
		}
	}
	return nil
}

// newTerminals opens a file system of pseudo-terminals of its own.
func (b *builder) newTerminals(about string) Arg {
	return b.newFS(about, "devpts", "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOEXEC",
		[2]string{"newinstance", ""}, [2]string{"ptmxmode", "0666"}, [2]string{"mode", "0620"})
}

func (b *builder) grantsDevice(p string) bool {
	return slices.ContainsFunc(b.Manifest.Devices, func(d manifest.Device) bool { return d.Path == p })
}

// device binds a node of the host. The mount is read-only, which does not keep
// from writing to a device: the node is the host's own, and where lpm's caller is
// its owner, as root is of /dev/null, the container could change its mode.
func (b *builder) device(about string, mount Arg, name string) {
	b.setAttributes(about, mount, "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOEXEC")
	b.attachIn(about, mount, devFD, name)
}

// cloneFlags copy one mount, by a path whose last element is no link.
func cloneFlags() []string {
	return []string{"OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_SYMLINK_NOFOLLOW"}
}

// clone copies the mount at a path that only the host's own administrator, lpm
// or the kernel can have put there.
func (b *builder) clone(about string, dir Arg, name string) Arg {
	return b.open(about, "open_tree", dir, text(name), flags(cloneFlags()...))
}

// setAttributes changes a mount's attributes, and those of mounts below it
// where asked for.
func (b *builder) setAttributes(about string, mount Arg, attrs string, more ...string) {
	attr := structure(u64("attr_set", flags(attrs)), u64("attr_clr", null()), u64("propagation", null()), u64("userns_fd", null()))
	b.do(about, "mount_setattr", mount, text(""), flags(append([]string{"AT_EMPTY_PATH"}, more...)...), attr, size(attr))
}

// writable mounts the writable paths. Where the image has content it shows
// through from below; an empty folder is a tmpfs alone.
func (b *builder) writable() error {
	if b.Mode == Record {
		return nil
	}
	list := slices.Clone(b.Manifest.Filesystem.Writable)
	slices.SortFunc(list, func(x, y manifest.WritablePath) int { return strings.Compare(b.real(x.Path), b.real(y.Path)) })
	var done []string
	for _, w := range list {
		real := b.real(w.Path)
		// A folder below a writable one is writable already.
		if slices.ContainsFunc(done, func(d string) bool { return real == d || strings.HasPrefix(real, d+"/") }) {
			continue
		}
		done = append(done, real)
		if err := b.writablePath(w, real); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) writablePath(w manifest.WritablePath, real string) error {
	about := "making " + w.Path + " writable"
	bytes := w.Size
	if bytes == 0 {
		bytes = manifest.DefaultWritableSize
	}
	f := b.fact(w.Path)
	switch {
	case real == shm:
		f = PathFact{Real: shm, Mode: 0o1777}
	case !f.Exists:
		f.Mode, f.UID, f.GID = 0o755, b.plan.Identity.UID, b.plan.Identity.GID
	}
	if f.Exists && !f.Empty || b.mountBelow(real) {
		place, err := b.scratch(strconv.FormatInt(bytes, 10), f)
		if err != nil {
			return err
		}
		mount, err := b.inStore(b.Places.Mount)
		if err != nil {
			return err
		}
		lower := mount + real
		if len(lower) > fsconfigText || strings.ContainsAny(lower, ":,\\") {
			return fmt.Errorf("the writable path %q is too long, or has a character that overlay mounts cannot take", w.Path)
		}
		m := b.newFS(about, "overlay", attrData, [2]string{"lowerdir", lower},
			[2]string{"upperdir", place + "/upper"}, [2]string{"workdir", place + "/work"}, [2]string{"userxattr", ""})
		b.attach(about, m, real)
		return nil
	}
	uid, gid := f.UID, f.GID
	if b.identityMode() == manifest.IdentitySingle {
		uid, gid = b.plan.Identity.UID, b.plan.Identity.GID
	}
	m := b.newFS(about, "tmpfs", attrData,
		[2]string{"size", strconv.FormatInt(bytes, 10)}, [2]string{"nr_inodes", inodes(bytes)},
		[2]string{"mode", fmt.Sprintf("%04o", f.Mode)},
		[2]string{"uid", strconv.FormatUint(uint64(uid), 10)}, [2]string{"gid", strconv.FormatUint(uint64(gid), 10)})
	b.attach(about, m, real)
	return nil
}

// inodes bounds the files of a tmpfs of that many bytes: each takes kernel
// memory that the size does not count.
func inodes(bytes int64) string { return strconv.FormatInt(max(1024, bytes/1024), 10) }

// mountBelow reports whether something is mounted below a writable path, for
// which the layer has made the place.
func (b *builder) mountBelow(dir string) bool {
	return slices.ContainsFunc(b.chosen, func(m manifest.Mount) bool {
		return strings.HasPrefix(b.real(m.Path), dir+"/")
	})
}

// mounts binds volumes, folders of the host, and files that tell of it.
func (b *builder) mounts() error {
	for _, m := range b.chosen {
		about := "mounting " + m.Path
		if m.Volume == "" {
			b.bindExact(about, m.Host, b.real(m.Path), m.Write)
			continue
		}
		source := b.Places.Volumes[m.Volume]
		if !path.IsAbs(source) {
			return fmt.Errorf("no folder for the volume %q", m.Volume)
		}
		b.bind(about, source, b.real(m.Path), m.Write)
	}
	etc := b.real("/etc")
	if b.networkMode() == manifest.NetworkHost && b.Host.ResolvConf {
		b.bind("mounting /etc/resolv.conf", "/etc/resolv.conf", path.Join(etc, "resolv.conf"), false)
	}
	if b.Places.Localtime != "" {
		b.bindExact("mounting /etc/localtime", b.Places.Localtime, path.Join(etc, "localtime"), false)
	}
	return nil
}

// bind mounts a path of the host, with all that is mounted below it.
func (b *builder) bind(about, host, at string, write bool) {
	m := b.open(about, "open_tree", flags("AT_FDCWD"), text(host), flags("OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE"))
	b.attachData(about, m, at, write)
}

// bindExact is [builder.bind] for a path that a manifest names: the very one
// that was approved. A symbolic link in it, which another container may have
// left there, would lead anywhere (CVE-2017-1002101).
func (b *builder) bindExact(about, host, at string, write bool) {
	b.attachData(about, b.exact(about, host), at, write)
}

// exact copies the mount at a path of the host that has no link in it, such as
// /dev/fd is, with all that is mounted below.
func (b *builder) exact(about, host string) Arg {
	h := how("O_PATH|O_CLOEXEC", "RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS")
	source := b.open(about, "openat2", flags("AT_FDCWD"), text(host), h, size(h))
	return b.open(about, "open_tree", source, text(""), flags("OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH", "AT_RECURSIVE"))
}

func (b *builder) attachData(about string, m Arg, at string, write bool) {
	attrs := attrData
	if !write {
		attrs += "|MOUNT_ATTR_RDONLY"
	}
	b.setAttributes(about, m, attrs, "AT_RECURSIVE")
	b.attach(about, m, at)
}

// pivot makes the new root the only one.
func (b *builder) pivot() error {
	const about = "entering the new root"
	b.do(about, "fchdir", fd(rootFD))
	b.do(about, "pivot_root", text("."), text("."))
	// The old root lies over the new one now (pivot_root(2), NOTES).
	b.do(about, "umount2", text("."), flags("MNT_DETACH"))
	// By descriptor, free of links: /proc is mounted, and an image that
	// starts in /proc/self/fd/7 would be in whatever folder of the host is
	// open there (CVE-2024-21626).
	b.do(about, "fchdir", b.at(about, b.real(b.plan.Process.Dir)))
	return nil
}

// maskedPaths covers the files of /proc that tell of, or change, the host. The
// paths are the kernel's own, in a /proc that nothing has changed yet.
func (b *builder) maskedPaths() error {
	layer, err := b.inStore(b.Places.Layer)
	if err != nil {
		return err
	}
	for _, p := range b.Host.ProcPaths {
		about, name := "masking "+p, strings.TrimPrefix(p, "/proc/")
		var m Arg
		switch {
		case slices.Contains(ReadOnlyPaths(), p):
			m = b.clone(about, fd(procFD), name)
			b.setAttributes(about, m, attrData+"|MOUNT_ATTR_RDONLY")
		case slices.Contains(maskedFolders(), p):
			// The layer's folder for /sys is empty.
			m = b.clone(about, flags("AT_FDCWD"), layer+"/sys")
			b.setAttributes(about, m, attrData+"|MOUNT_ATTR_RDONLY")
		default:
			m = b.clone(about, fd(devFD), "null")
		}
		b.attachIn(about, m, procFD, name)
	}
	return nil
}
