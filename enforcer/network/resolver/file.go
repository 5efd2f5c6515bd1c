package resolver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// maxFile is how much of a file is read, in bytes. Of a longer one the lines at
// its end are passed over.
const maxFile = 16 << 20

// watched is a file of the host that is read again when it has changed.
type watched[T any] struct {
	path  string
	open  func(path string) (*os.File, error)
	parse func([]byte) T

	mu    sync.Mutex
	known fs.FileInfo
	read  bool
	value T
}

// get returns what the file says now. A file that is not there says nothing.
func (w *watched[T]) get() (T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := os.Stat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = nil, nil
	}
	if err != nil {
		return w.value, err
	}
	if w.read && same(info, w.known) {
		return w.value, nil
	}
	var text []byte
	if info != nil {
		if text, err = w.readFile(); err != nil {
			return w.value, err
		}
	}
	w.value, w.known, w.read = w.parse(text), info, true
	return w.value, nil
}

// same reports whether a file is what it was.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// openFile opens a file to read it, and waits for no writer of a pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readFile reads the start of the file.
func (w *watched[T]) readFile() ([]byte, error) {
	f, err := w.open(w.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", w.path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err == nil && len(text) == maxFile {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	return text, err
}
