package front

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/prepared"
	"github.com/least-privilege/lpm/registry/xdg"
)

// maxKept bounds the files of the folder: whoever starts one image in ever
// other ways must not fill the disk.
const maxKept = 512

// ErrStale says that a launch is not prepared, or not as it was made.
var ErrStale = errors.New("the launch has to be prepared anew")

// key names a prepared launch by all that it depends on and that the command
// line says. program is the first argument where the image has no entry point.
func (f *Flags) key(image, program string) string {
	text := fmt.Appendf(nil, "%q %q", image, program)
	for _, flag := range f.Table() {
		if flag.Apart {
			continue
		}
		switch v := flag.Value.(type) {
		case *bool:
			text = fmt.Appendf(text, " %t", *v)
		case *string:
			text = fmt.Appendf(text, " %q", *v)
		case *[]string:
			text = fmt.Appendf(text, " %q", *v)
		}
	}
	// A folder is named from where this process is, and the machine's time
	// zone can change.
	for _, v := range f.Volumes {
		text = fmt.Appendf(text, " %q", v.Source)
	}
	if f.TimeZone == plan.LocalTime {
		file, err := filepath.EvalSymlinks("/etc/localtime")
		text = fmt.Appendf(text, " %q %t", file, err == nil)
	}
	// The program is looked for where PATH says.
	for _, setting := range f.Env {
		if strings.HasPrefix(setting, "PATH=") {
			text = fmt.Appendf(text, " %q", setting)
		}
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// find returns the prepared launch for a command line.
func (f *Flags) find(store, image string) (*prepared.Launch, string, error) {
	var keys []string
	if len(f.Args) > 0 && f.Entrypoint == nil {
		keys = append(keys, f.key(image, f.Args[0]))
	}
	keys = append(keys, f.key(image, ""))
	for i, key := range keys {
		path := filepath.Join(store, xdg.Launches, key)
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		l, err := prepared.Decode(content)
		if err != nil {
			return nil, "", err
		}
		// Without an entry point the arguments name another program.
		if i == len(keys)-1 && len(keys) > 1 && len(l.Defaults.Entrypoint) == 0 {
			break
		}
		return l, path, nil
	}
	return nil, "", ErrStale
}

// planSuffix is the end of the name of a launch's second file.
const planSuffix = ".plan"

// Keep writes a prepared launch into the store, for the command line that it
// was prepared for, and returns its path.
func (f *Flags) Keep(store, image string, l *prepared.Launch, d prepared.Details, a prepared.Aside) (string, error) {
	program := ""
	if len(f.Args) > 0 && f.Entrypoint == nil && len(l.Defaults.Entrypoint) == 0 {
		program = f.Args[0]
	}
	first, second, err := l.Encode(d, a)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(store, xdg.Launches)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keeping a launch: %w", err)
	}
	lock, err := lock(dir, unix.LOCK_EX)
	if err != nil {
		return "", fmt.Errorf("keeping a launch: %w", err)
	}
	defer lock.Close()
	if err := clear(dir); err != nil {
		return "", fmt.Errorf("keeping a launch: %w", err)
	}
	path := filepath.Join(dir, f.key(image, program))
	for _, file := range []struct {
		path    string
		content []byte
	}{{path + planSuffix, second}, {path, first}} {
		if err := replace(file.path, file.content); err != nil {
			return "", fmt.Errorf("keeping a launch: %w", err)
		}
	}
	return path, nil
}

// ReadPlan reads a kept launch's plan, and proves that it is what the launch
// does: the operations that it lists compile to the launch's program.
func ReadPlan(path string) (*plan.Plan, error) {
	lock, err := lock(filepath.Dir(path), unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("reading a launch: %w", err)
	}
	defer lock.Close()
	first, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a launch: %w", err)
	}
	l, err := prepared.Decode(first)
	if err != nil {
		return nil, err
	}
	second, err := os.ReadFile(path + planSuffix)
	if err != nil {
		return nil, fmt.Errorf("reading a launch: %w", err)
	}
	return l.Plan(second)
}

// lock keeps others from the folder until the file that it returns is closed.
// The two files of a launch are of one preparation: what is written alone and
// read together needs it. Starting a launch reads one file, and no lock.
func lock(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
		}
	}
}

// clear removes what processes that were killed have left half written, and
// everything when the folder is full. The caller holds the folder alone.
func clear(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if len(names) < maxKept && !strings.HasPrefix(name.Name(), newPrefix) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// newPrefix begins the names of files that are being written.
const newPrefix = ".new-"

// replace writes a file that is there whole or not at all. What a power cut
// leaves of it is seen by its digest, so that nothing waits for the disk.
func replace(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), newPrefix+"*")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// Index returns the digest of the store's index, which changes with every name,
// manifest, approval and revocation.
func Index(store string) ([]byte, error) {
	f, err := os.Open(filepath.Join(store, "index.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("reading the store's index: %w", err)
	}
	return h.Sum(nil), nil
}

// hold proves that the launch was made by these programs from this store, and
// keeps its tree in place until the file that it returns is closed.
func hold(l *prepared.Launch, store string, programs Programs) (*os.File, error) {
	if l.Build != programs.Build {
		return nil, ErrStale
	}
	index, err := Index(store)
	if err != nil || !bytes.Equal(index, l.Index) {
		return nil, ErrStale
	}
	lock, err := os.OpenFile(l.TreeLock, os.O_RDWR, 0)
	if err != nil {
		return nil, ErrStale
	}
	// Whoever removes the tree holds the lock alone, and removes its file.
	var held, there unix.Stat_t
	if unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil || unix.Fstat(int(lock.Fd()), &held) != nil ||
		unix.Stat(l.TreeLock, &there) != nil || held.Ino != there.Ino || held.Dev != there.Dev ||
		unix.Stat(l.Tree, &there) != nil || unix.Stat(l.Layer, &there) != nil {
		lock.Close()
		return nil, ErrStale
	}
	return lock, nil
}
