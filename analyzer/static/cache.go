package static

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// version is that of what is kept: of the analysis and of its format. A
// change of either takes a new one.
const version = 3

// Bounds of what is kept.
const (
	maxEntry   = 64 << 20
	maxEntries = 2 * maxFiles
)

// cache is a folder that keeps what was found in files, one entry each, under
// the digest of the file's content and the version. An entry begins with the
// digest of its own rest; one that is damaged is as good as none.
type cache struct{ folder string }

func newCache(folder string) cache { return cache{folder} }

// file returns what was found in a file, or looks.
func (c cache) file(r *io.SectionReader) (*file, error) {
	if c.folder == "" {
		return readFile(r)
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, r); err != nil {
		return nil, err
	}
	entry := filepath.Join(c.folder, fmt.Sprintf("%x-%d", digest.Sum(nil), version))
	if kept, err := read(entry); err == nil {
		return kept, nil
	}
	f, err := readFile(r)
	if err != nil {
		return nil, err
	}
	c.write(entry, f)
	return f, nil
}

var errDamaged = errors.New("damaged")

// read reads an entry.
func read(path string) (*file, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err != nil {
		return nil, err
	}
	if len(data) < sha256.Size || len(data) > maxEntry {
		return nil, errDamaged
	}
	body := data[sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(data[:sha256.Size]) {
		return nil, errDamaged
	}
	var f file
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, err
	}
	return &f, f.check()
}

// check holds that every index of a file is of something in it.
func (f *file) check() error {
	in := func(list []int, n int) bool {
		for _, i := range list {
			if i < 0 || i >= n {
				return false
			}
		}
		return true
	}
	ok := in([]int{f.Entry, f.Start}, len(f.Sets))
	for _, s := range f.Sets {
		ok = ok && in(s.Calls, maxNumber) && in(s.Imports, len(f.Imports)) && in(s.Sites, len(f.Sites))
	}
	for _, i := range f.Exports {
		ok = ok && in([]int{i}, len(f.Sets))
	}
	for _, near := range f.Near {
		ok = ok && in(near, maxNumber)
	}
	if !ok {
		return errDamaged
	}
	return nil
}

// write keeps an entry, whole or not at all. A folder that cannot be written
// to costs time at the next scan, and nothing else.
func (c cache) write(entry string, f *file) {
	body, err := json.Marshal(f)
	if err != nil || len(body) > maxEntry-sha256.Size {
		return
	}
	if names, err := os.ReadDir(c.folder); err != nil || len(names) >= maxEntries {
		return
	}
	w, err := os.CreateTemp(c.folder, "new-")
	if err != nil {
		return
	}
	sum := sha256.Sum256(body)
	_, err = w.Write(append(sum[:], body...))
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(w.Name(), entry)
	}
	if err != nil {
		os.Remove(w.Name())
	}
}
