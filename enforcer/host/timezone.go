package host

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// zoneinfo is where the files of the time zones are.
const zoneinfo = "/usr/share/zoneinfo"

// TimeZoneError says why there is no file of a time zone.
type TimeZoneError struct {
	Name string
	Err  error
}

func (e *TimeZoneError) Error() string {
	return fmt.Sprintf("looking up the time zone %q on this host: %v", e.Name, e.Err)
}

// Unwrap returns the reason.
func (e *TimeZoneError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *TimeZoneError) Hint() string {
	return "zones are the files below " + zoneinfo + " (package tzdata), such as Europe/Berlin, and local is this host's own"
}

// TimeZone returns the file, free of symbolic links, of a time zone: one that
// this host's tzdata names, or "local" for the host's own.
func TimeZone(name string) (string, error) {
	m, err := here()
	if err != nil {
		return "", err
	}
	file, err := m.timeZone(name)
	if err != nil {
		return "", &TimeZoneError{name, err}
	}
	return file, nil
}

func (m machine) timeZone(name string) (string, error) {
	path := "/etc/localtime"
	if name != plan.LocalTime {
		if !filepath.IsLocal(name) {
			return "", fmt.Errorf("not a name below %s", zoneinfo)
		}
		path = filepath.Join(zoneinfo, name)
	}
	file, err := filepath.EvalSymlinks(m.file(path))
	if err != nil {
		return "", err
	}
	return file, isTimeZone(file)
}

// isTimeZone holds a file against the form of tzfile(5).
func isTimeZone(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != "TZif" {
		return fmt.Errorf("%s is no time zone", file)
	}
	return nil
}
