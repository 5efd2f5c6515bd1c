package record

import (
	"encoding/binary"
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/supervise"
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

// noteOpening notes a file that an open call changes or reads.
func (r *Recorder) noteOpening(c call) error {
	o, err := openingOf(c)
	if err != nil {
		return err
	}
	name, err := r.absolute(c, o.dirfd, o.addr)
	if err != nil {
		return err
	}
	const changes = unix.O_ACCMODE | unix.O_CREAT | unix.O_TRUNC
	u, repeats := r.useOf(c, name, o.flags)
	if repeats = repeats && o.flags&changes == 0; repeats && r.again(u, c) {
		return nil
	}
	r.facts.collect()
	p, err := r.noteOpen(c, o, name)
	if repeats && err == nil && p.Err == nil {
		r.keepUse(c, u, p.Path)
	}
	r.facts.watched()
	return err
}

// absolute reads the path at addr and makes it absolute. An empty one is that
// of the descriptor itself.
func (r *Recorder) absolute(c call, dirfd int32, addr uint64) (string, error) {
	text, err := c.String(addr, unix.PathMax)
	if err != nil {
		return "", err
	}
	return r.absoluteOf(c, dirfd, text)
}

func (r *Recorder) absoluteOf(c call, dirfd int32, text string) (string, error) {
	if text == "" {
		return c.FD(dirfd)
	}
	return c.Absolute(dirfd, text)
}

// noteOpen notes what becomes of a file of the given path.
func (r *Recorder) noteOpen(c call, o opening, name string) (supervise.Place, error) {
	if !path.IsAbs(name) {
		return supervise.Place{}, nil // a descriptor opened again: a pipe, a socket
	}
	follow := o.flags&unix.O_NOFOLLOW == 0 && o.flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
	p, err := r.look(c, name, follow)
	if err != nil || !path.IsAbs(p.Path) {
		return p, err
	}
	name = p.Path
	if o.flags&unix.O_PATH != 0 {
		return p, r.checkAccess(c, name, 0, false)
	}
	exists := p.Err == nil
	if !exists && !errors.Is(p.Err, unix.ENOENT) {
		// The supervisor may not look, which says nothing about the file.
		exists = o.flags&unix.O_CREAT == 0
	}
	switch {
	case o.flags&unix.O_TMPFILE == unix.O_TMPFILE:
		r.facts.file(name, evidence.Below, r.at(c))
		return p, r.checkAccess(c, name, 3, false)
	case exists && o.flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL,
		!exists && o.flags&unix.O_CREAT == 0:
		return p, r.checkAccess(c, name, 0, false) // it will fail
	case !exists:
		r.facts.file(name, evidence.Create, r.at(c))
		return p, r.checkAccess(c, name, 0, true)
	}
	r.noteExisting(c, name, fileOf(p), o.flags&unix.O_ACCMODE != unix.O_RDONLY || o.flags&unix.O_TRUNC != 0)
	return p, r.checkAccess(c, name, accessBits(o.flags), false)
}

// noteExisting notes the opening of a file that is there.
func (r *Recorder) noteExisting(c call, name string, f file, write bool) {
	switch {
	case f.isDevice():
		d := entry(&r.facts, r.facts.devices, "devices", maxOthers, text(name), evidence.Device{Path: text(name)}, name)
		d.Write = d.Write || write
		r.facts.see(&d.Seen, r.at(c))
	case write && f.kind() != unix.S_IFIFO:
		r.facts.file(name, evidence.Write, r.at(c))
		r.uses.forget(name)
	case !write && f.kind() != 0 && f.kind() != unix.S_IFIFO:
		r.facts.read(name, r.at(c))
		if strings.Contains(path.Base(name), ".so") {
			r.facts.library(name)
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
