package rootfs

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// cachedExecutables is [tree.executables] with the result kept in a file. The
// tree does not change, so that the file is never stale; one that cannot be
// read as what it should be is made anew.
func cachedExecutables(ctx context.Context, t tree, cache string) ([]plan.Executable, error) {
	var list []plan.Executable
	if b, err := os.ReadFile(cache); err == nil && json.Unmarshal(b, &list) == nil {
		return list, nil
	}
	list, err := t.executables(ctx)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(cache), filepath.Base(cache)+".*")
	if err != nil {
		return nil, fmt.Errorf("keeping the list of programs: %w", err)
	}
	_, err = temp.Write(b)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), cache)
	}
	if err != nil {
		os.Remove(temp.Name())
		return nil, fmt.Errorf("keeping the list of programs: %w", err)
	}
	return list, nil
}

// executables finds every file that could be run as a program: scripts that
// are executable, and ELF programs whether they are marked so or not, for the
// loader runs them either way.
func (t tree) executables(ctx context.Context) ([]plan.Executable, error) {
	var list []plan.Executable
	err := filepath.WalkDir(string(t), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		e, is, err := t.classify(name)
		if err == nil && is {
			list = append(list, e)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the image's programs: %w", err)
	}
	slices.SortFunc(list, func(a, b plan.Executable) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

// classify tells whether a file is a program.
func (t tree) classify(name string) (e plan.Executable, is bool, err error) {
	rel, err := filepath.Rel(string(t), name)
	if err != nil {
		return e, false, err
	}
	e.Path = path.Join("/", rel)
	f, err := os.Open(name)
	if err != nil {
		return e, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return e, false, err
	}
	head := make([]byte, scriptLine)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		if !utf8.ValidString(e.Path) {
			return e, false, fmt.Errorf("the name of the program %q is not UTF-8, so that it can neither be granted nor hidden", e.Path)
		}
		return t.classifyELF(e, f)
	}
	// What cannot be written in a manifest cannot be granted, and does not
	// pass from process to process as what it is either.
	if !utf8.ValidString(e.Path) {
		return e, false, nil
	}
	interpreter, _ := parseShebang(head)
	if interpreter == "" || info.Mode()&0o111 == 0 {
		return e, false, nil
	}
	e.Script = true
	e.Needs, err = t.real(interpreter)
	return e, true, err
}

// classifyELF tells programs from shared objects, whether they are marked
// executable or not. A shared object says its name, as the C library and the
// loader do, which can be executed too, or else has neither a loader nor the
// mark of a position-independent program, as plugins have.
func (t tree) classifyELF(e plan.Executable, f *os.File) (plan.Executable, bool, error) {
	h, err := readHeader(f)
	if err == nil && h.kind != elf.ET_EXEC && h.kind != elf.ET_DYN {
		// Objects and core files: the kernel and the loader refuse them.
		return e, false, nil
	}
	if err == nil && h.loader != "" {
		if e.Needs, err = t.real(h.loader); err != nil {
			return e, false, err
		}
	}
	// What only begins like ELF is hidden as a program is: the kernel and
	// the loader may read it in another way than we.
	e.Library = err == nil && (h.soname || h.kind == elf.ET_DYN && h.loader == "" && !h.pie)
	return e, true, nil
}
