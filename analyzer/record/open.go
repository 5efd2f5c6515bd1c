package record

import (
	"encoding/binary"
	"errors"
	"path"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"golang.org/x/sys/unix"
)

// opening is an open call in openat's form.
type opening struct {
	dirfd int32
	addr  uint64
	flags uint64
}

func openingOf(c call) (opening, error) {
	switch c.name {
	case "open":
		return opening{unix.AT_FDCWD, c.args[0], c.args[1]}, nil
	case "creat":
		return opening{unix.AT_FDCWD, c.args[0], unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC}, nil
	case "openat":
		return opening{int32(c.args[0]), c.args[1], c.args[2]}, nil
	}
	how, err := c.Bytes(c.args[2], 8) // openat2: struct open_how starts with the flags
	if err != nil {
		return opening{}, err
	}
	return opening{int32(c.args[0]), c.args[1], binary.NativeEndian.Uint64(how)}, nil
}

// noteOpen notes a file that an open call changes, and devices and libraries
// that it only reads.
func (r *Recorder) noteOpen(c call) error {
	o, err := openingOf(c)
	if err != nil {
		return err
	}
	resolve := c.Executable // follows the last link
	if o.flags&unix.O_NOFOLLOW != 0 || o.flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL {
		resolve = c.Path
	}
	name, err := resolve(o.dirfd, o.addr)
	if err != nil {
		return err
	}
	if !path.IsAbs(name) {
		return nil // a descriptor opened again: a pipe, a socket
	}
	if o.flags&unix.O_PATH != 0 {
		return r.checkAccess(c, name, 0, false)
	}
	f, err := r.world.stat(c.tid, name)
	exists := err == nil
	if err != nil && !errors.Is(err, unix.ENOENT) {
		// The supervisor may not look, which says nothing about the file.
		exists = o.flags&unix.O_CREAT == 0
	}
	write := o.flags&unix.O_ACCMODE != unix.O_RDONLY || o.flags&unix.O_TRUNC != 0

	switch {
	case o.flags&unix.O_TMPFILE == unix.O_TMPFILE:
		r.facts.file(name, evidence.Below, r.at(c.by))
		return r.checkAccess(c, name, 3, false)
	case exists && o.flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL,
		!exists && o.flags&unix.O_CREAT == 0:
		return r.checkAccess(c, name, 0, false) // it will fail
	case !exists:
		r.facts.file(name, evidence.Create, r.at(c.by))
		return r.checkAccess(c, name, 0, true)
	}
	r.noteExisting(c, name, f, write)
	return r.checkAccess(c, name, accessBits(o.flags), false)
}

// noteExisting notes the opening of a file that is there.
func (r *Recorder) noteExisting(c call, name string, f file, write bool) {
	switch {
	case f.isDevice():
		d := entry(&r.facts, r.facts.devices, "devices", maxOthers, text(name), evidence.Device{Path: text(name)}, name)
		d.Write = d.Write || write
		r.facts.see(&d.Seen, r.at(c.by))
	case write && f.kind() != unix.S_IFIFO:
		r.facts.file(name, evidence.Write, r.at(c.by))
	case !write && strings.Contains(path.Base(name), ".so"):
		if name := text(name); !r.facts.libraries[name] {
			if len(r.facts.libraries) >= maxPaths || !r.facts.afford(name) {
				r.facts.truncated["libraries"]++
				return
			}
			r.facts.libraries[name] = true
		}
	}
}

// accessBits returns what opening with the flags asks of the file's mode, in
// its bits: 4 to read, 2 to write.
func accessBits(flags uint64) uint32 {
	var bits uint32
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		bits = 4
	case unix.O_WRONLY:
		bits = 2
	default:
		bits = 6
	}
	if flags&unix.O_TRUNC != 0 {
		bits |= 2
	}
	return bits
}
