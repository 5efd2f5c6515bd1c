package front

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Version is that of lpm, by semantic versioning.
const Version = "0.1.0"

// The names of the programs.
const (
	frontName   = "lpm"
	coreName    = "lpm-core"
	networkName = "lpm-net"
)

// Programs are the programs of one installation.
type Programs struct {
	// Front, Core and Network are paths, empty where there is no such
	// program.
	Front, Core, Network string
	// Build changes when any does.
	Build string
}

// FindPrograms looks for the programs that belong to the running one: beside
// it, or with lpm in bin and the others in libexec/lpm.
func FindPrograms() (Programs, error) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return Programs{}, fmt.Errorf("looking for lpm's programs: %w", err)
	}
	dir := filepath.Dir(self)
	p := Programs{Build: Version}
	for _, program := range []struct {
		path   *string
		places []string
	}{
		{&p.Front, []string{filepath.Join(dir, frontName), filepath.Join(dir, "../../bin", frontName)}},
		{&p.Core, []string{filepath.Join(dir, coreName), filepath.Join(dir, "../libexec/lpm", coreName)}},
		{&p.Network, []string{filepath.Join(dir, networkName), filepath.Join(dir, "../libexec/lpm", networkName)}},
	} {
		for _, place := range program.places {
			var stat syscall.Stat_t
			if syscall.Stat(place, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
				continue
			}
			*program.path = place
			p.Build += fmt.Sprintf(" %d:%d %d %d.%09d", stat.Dev, stat.Ino, stat.Size, stat.Ctim.Sec, stat.Ctim.Nsec)
			break
		}
	}
	return p, nil
}

// attempts is the variable that counts how often the whole program has handed
// a launch back, so that two programs that do not fit end in an error.
const attempts = "LPM_ATTEMPT"

// maxAttempts is how often a launch is prepared anew in a row: now and then
// something changes between the preparation and the launch.
const maxAttempts = 3

// HandBack makes the process the front one again, for a launch that is
// prepared now. It returns only with an error.
func (p Programs) HandBack(args []string) error {
	return p.become(p.Front, frontName, args)
}

// become makes the process another program.
func (p Programs) become(path, name string, args []string) error {
	if path == "" {
		return fmt.Errorf("the program %s is missing, which belongs to this one", name)
	}
	err := syscall.Exec(path, append([]string{name}, args...), os.Environ())
	return fmt.Errorf("starting %s: %w", path, err)
}
