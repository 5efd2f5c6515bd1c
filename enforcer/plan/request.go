package plan

import (
	"errors"
	"fmt"

	"github.com/least-privilege/lpm/manifest"
)

// Request is what a plan is made from.
type Request struct {
	Mode  Mode
	Image Image
	// Manifest is what may be done: the image's manifest cut to what was
	// approved. It is not used in record mode.
	Manifest *manifest.Manifest
	Host     Host
	// Places are folders of the host that the launch uses.
	Places  Places
	Options Options
}

// Places are folders of the host that the launch uses, all absolute.
type Places struct {
	// Store is lpm's data folder. Tree, Layer and Mount are below it.
	Store string
	// Tree is the image's unpacked tree, Layer the folder of the overlay
	// layer, Mount an empty folder to mount the new root at, Scratch one for
	// what is written.
	Tree, Layer, Mount, Scratch string
	// Volumes gives the folder of each named volume of the manifest.
	Volumes map[string]string
	// Localtime is the file of the time zone that was chosen, or empty.
	Localtime string
}

// LocalTime chooses the host's time zone.
const LocalTime = "local"

// Options are the caller's choices for one launch.
type Options struct {
	// Args replace the image's Cmd. Entrypoint, where not nil, replaces the
	// image's Entrypoint.
	Args       []string
	Entrypoint []string
	// Env adds to the image's environment, as "NAME=value".
	Env []string
	// User replaces the image's, in the same form; see [Config].
	User string
	// WorkingDir replaces the image's.
	WorkingDir string
	// Hostname is the container's name for itself; empty is "lpm".
	Hostname string
	// TimeZone is the name of a time zone that the host knows, [LocalTime]
	// for the host's own, or empty for the image's.
	TimeZone string
	// Volumes and NoMounts choose among the manifest's mounts: what is at a
	// path, and which optional ones are left out. See [Mounts].
	Volumes  []Volume
	NoMounts []string
	// Ports are those that the caller counts on; they grant nothing.
	Ports []Port
	// TTY gives the container a terminal of its own; Console is its path on
	// the host.
	TTY     bool
	Console string
	// Init leaves the container's first process to lpm; see [Init].
	Init bool
	// TraceFiles shows the supervisor each use of a file by its path, to tell
	// which the kernel will refuse.
	TraceFiles bool
	// BestEffort accepts what the host cannot enforce; the plan lists it in
	// Unenforced.
	BestEffort bool
	// Identity is used in record mode, where there is no manifest, and so is
	// Baseline: the calls that are not worth watching, by their arguments.
	Identity manifest.IdentityMode
	Baseline []manifest.Syscall
	// Network is the network that is recorded on; empty is the host's.
	Network manifest.NetworkMode
}

// UnenforceableError says what of a manifest this host cannot enforce.
type UnenforceableError struct {
	// What names each part and the reason.
	What []string
}

func (e *UnenforceableError) Error() string {
	if len(e.What) == 1 {
		return "this host cannot enforce " + e.What[0]
	}
	msg := fmt.Sprintf("this host cannot enforce %d parts of the manifest:", len(e.What))
	for _, w := range e.What {
		msg += "\n  " + w
	}
	return msg
}

// Hint tells the way out.
func (e *UnenforceableError) Hint() string {
	return "--best-effort runs it without that, and says so each time"
}

// NotGrantedError says that the program to start is not in the manifest.
type NotGrantedError struct{ Program string }

func (e *NotGrantedError) Error() string {
	return fmt.Sprintf("the manifest does not grant the execution of %q", e.Program)
}

// Hint tells the way out.
func (e *NotGrantedError) Hint() string {
	return fmt.Sprintf("record it with lpm analyze, or add execute: [{path: %q}] to the manifest and have it approved", e.Program)
}

// Command returns the program and its arguments that an image starts with
// under the given options, before any lookup.
func Command(c Config, o Options) ([]string, error) {
	entry := c.Entrypoint
	args := c.Cmd
	if o.Entrypoint != nil {
		entry, args = o.Entrypoint, nil
	}
	if len(o.Args) > 0 {
		args = o.Args
	}
	command := append(append([]string(nil), entry...), args...)
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("the image names no program to start, and none was given")
	}
	return command, nil
}
