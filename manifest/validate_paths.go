package manifest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkText refuses characters that could make a line look like another one
// to a reviewer: control and format characters (escape sequences, bidi
// overrides, invisible joints), line ends, private use, and the mark that
// decoders leave in place of bytes they could not read.
func checkText(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("it is not UTF-8")
	}
	for _, r := range text {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) {
			return fmt.Errorf("it has the character %U, which does not show", r)
		}
	}
	return nil
}

// checkPath accepts absolute, clean paths.
func checkPath(text string) error {
	switch {
	case text == "":
		return errors.New("expected an absolute path, not an empty string")
	case len(text) > MaxString:
		return fmt.Errorf("expected a path of at most %d bytes", MaxString)
	case !strings.HasPrefix(text, "/"):
		return fmt.Errorf("expected an absolute path, not %q", text)
	case path.Clean(text) != text:
		return fmt.Errorf("expected %q, the clean form of %q", path.Clean(text), text)
	}
	if err := checkText(text); err != nil {
		return fmt.Errorf("expected a path of plain text: %w", err)
	}
	return nil
}

// within reports whether a clean path is base or below it.
func within(base, p string) bool {
	return base == "/" || p == base || strings.HasPrefix(p, base) && p[len(base)] == '/'
}

// checkPlace accepts paths of the container where something may be put. The
// kernel's own file systems are set up by lpm alone: something hostile in
// place of /proc or /dev is how masked paths have been uncovered
// (runc CVE-2025-31133, -52565, -52881).
func checkPlace(text string) error {
	if err := checkPath(text); err != nil {
		return err
	}
	if text == "/" {
		return errors.New("the root of the container is always read-only; name the folders below it")
	}
	for _, own := range []string{"/proc", "/sys", "/dev"} {
		if within(own, text) && !within("/dev/shm", text) {
			return fmt.Errorf("%s belongs to lpm; nothing can be put there but in /dev/shm", own)
		}
	}
	return nil
}

func (m *Manifest) validatePrograms(p *problems) {
	if !bounded(p, "execute", len(m.Execute)) {
		return
	}
	seen := once{}
	for i, program := range m.Execute {
		at := entry("execute", i)
		program.Note.validate(p, at)
		if program.Path != AnyProgram {
			if err := checkPath(program.Path); err != nil {
				p.add(at+".path", "%s", err)
				continue
			}
		}
		if program.Path == "/" {
			p.add(at+".path", "expected a program, not a folder; %q stands for every program", AnyProgram)
		}
		seen.check(p, at, i, program.Path, program.Path)
	}
}

func (f Filesystem) validate(p *problems) {
	if bounded(p, "filesystem.readable", len(f.Readable)) {
		seen := once{}
		for i, r := range f.Readable {
			at := entry("filesystem.readable", i)
			r.Note.validate(p, at)
			if err := checkPath(r.Path); err != nil {
				p.add(at+".path", "%s", err)
			} else if r.Path == "/" {
				p.add(at+".path", "the whole image is readable when the list is empty; leave it out")
			}
			seen.check(p, at, i, r.Path, r.Path)
		}
	}
	if bounded(p, "filesystem.writable", len(f.Writable)) {
		seen := once{}
		for i, w := range f.Writable {
			at := entry("filesystem.writable", i)
			w.Note.validate(p, at)
			if err := checkPlace(w.Path); err != nil {
				p.add(at+".path", "%s", err)
			}
			sizeBound.check(p, at+".size", w.Size)
			seen.check(p, at, i, w.Path, w.Path)
		}
	}
}

func (m *Manifest) validateMounts(p *problems) {
	if !bounded(p, "mounts", len(m.Mounts)) {
		return
	}
	seen := once{}
	for i, mount := range m.Mounts {
		at := entry("mounts", i)
		mount.Note.validate(p, at)
		if err := checkPlace(mount.Path); err != nil {
			p.add(at+".path", "%s", err)
		}
		switch {
		case (mount.Volume == "") == (mount.Host == ""):
			p.add(at, "expected exactly one of volume and host")
		case mount.Volume != "" && !IsVolumeName(mount.Volume):
			p.add(at+".volume", "expected a name of lower-case letters, digits, dots, dashes and underscores, not %q", mount.Volume)
		case mount.Host != "":
			if err := CheckHostPath(mount.Host); err != nil {
				p.add(at+".host", "%s", err)
			}
		}
		seen.check(p, at, i, mount.Path, "a mount at "+mount.Path)
		if slices.ContainsFunc(m.Filesystem.Writable, func(w WritablePath) bool { return w.Path == mount.Path }) {
			p.add(at+".path", "%s is a writable path already; it cannot be both", mount.Path)
		}
	}
}

// IsVolumeName reports whether a name can be that of a folder anywhere.
func IsVolumeName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 64 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"._-") == ""
}

// CheckHostPath accepts folders of the host that a mount may show.
func CheckHostPath(text string) error {
	if err := checkPath(text); err != nil {
		return err
	}
	for _, kernel := range []string{"/proc", "/sys", "/dev"} {
		if within(kernel, text) {
			return fmt.Errorf("the host's %s cannot be mounted; single devices go under devices", kernel)
		}
	}
	return nil
}

// ownDevices are those that every container has, of its own.
var ownDevices = []string{
	"/dev/console", "/dev/fd", "/dev/full", "/dev/null", "/dev/pts", "/dev/random",
	"/dev/shm", "/dev/stderr", "/dev/stdin", "/dev/stdout", "/dev/tty", "/dev/urandom", "/dev/zero",
}

func (m *Manifest) validateDevices(p *problems) {
	if !bounded(p, "devices", len(m.Devices)) {
		return
	}
	seen := once{}
	for i, d := range m.Devices {
		at := entry("devices", i)
		d.Note.validate(p, at)
		if err := checkPath(d.Path); err != nil {
			p.add(at+".path", "%s", err)
		} else if !within("/dev", d.Path) || d.Path == "/dev" {
			p.add(at+".path", "expected a device below /dev, not %q", d.Path)
		} else if slices.ContainsFunc(ownDevices, func(own string) bool { return within(own, d.Path) }) {
			p.add(at+".path", "every container has its own %s", d.Path)
		}
		seen.check(p, at, i, d.Path, d.Path)
	}
}
