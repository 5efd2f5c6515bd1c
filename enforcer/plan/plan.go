// Package plan computes everything a launch needs.
//
// A [Plan] is a value: manifest, image and host facts go in, and a flat list
// of kernel operations, filters and rules for the supervisor comes out. It is
// deterministic and touches nothing, so that it can be printed, reviewed and
// compared before anything runs. Package launch executes it and adds nothing
// of its own.
package plan

import (
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Mode says what happens to a call that the filter does not allow.
type Mode string

const (
	// Enforce refuses what the manifest does not grant.
	Enforce Mode = "enforce"
	// Record notes what the program does and lets it go on.
	Record Mode = "record"
)

// Plan is everything a launch needs.
type Plan struct {
	Mode Mode `json:"mode"`
	// Image and Manifest are digests ("sha256:…"). Manifest is empty in
	// record mode.
	Image    string `json:"image"`
	Manifest string `json:"manifest,omitempty"`

	Process  Process  `json:"process"`
	Identity Identity `json:"identity"`
	// Namespaces are the clone flags, such as "CLONE_NEWUSER".
	Namespaces []string `json:"namespaces"`
	// Layer is the overlay layer laid over the image's tree.
	Layer Layer `json:"layer"`
	// Ops is what the child does, in order, from its first instruction to
	// the execution of the program.
	Ops []Op `json:"ops"`
	// Init, where not nil, is what the container's first process does while
	// the program runs, which is then its child.
	Init *Init `json:"init,omitempty"`
	// Join, where not nil, is what the process does that makes the program's in
	// a container which runs already.
	Join *Join `json:"join,omitempty"`
	// Filters are loaded as one program: what each allows, the next decides.
	// The program has the supervisor's listener.
	Filters []Filter `json:"filters"`
	// Supervision is what the supervisor decides by.
	Supervision Supervision `json:"supervision"`
	// Network is nil where the container has no private network.
	Network *Network `json:"network,omitempty"`
	// Group is the control group that the container starts in.
	Group Group `json:"group"`
	// Limits says what holds the container to each of its bounds.
	Limits []Limit `json:"limits,omitempty"`
	// Landlock is what is asked of it, and what the kernel lacks.
	Landlock Landlock `json:"landlock"`
	// Watch tells that the container could shed the signal that ends it when
	// its launcher dies, so that a process has to watch over that.
	Watch bool `json:"watch"`
	// Unenforced says what the host cannot enforce and the caller accepted.
	Unenforced []string `json:"unenforced,omitempty"`
}

// Operations returns Ops and those of Init or Join, in the order in which a failure
// counts them.
func (p *Plan) Operations() []Op { return slices.Concat(p.Ops, p.Init.All(), p.Join.All()) }

// Give returns the plan with another command line and environment, and another
// path of the terminal. Nothing else of a plan depends on them, but for the
// program that the command names.
func (p *Plan) Give(args, env []string, console string) *Plan {
	given := *p
	given.Process.Args, given.Process.Env = args, env
	given.Ops = slices.Clone(p.Ops)
	for i, op := range given.Ops {
		if !slices.ContainsFunc(op.Args, func(a Arg) bool { return a.Given != "" }) {
			continue
		}
		op.Args = slices.Clone(op.Args)
		for j := range op.Args {
			switch a := &op.Args[j]; a.Given {
			case GivenArgs:
				a.List = args
			case GivenEnv:
				a.List = env
			case GivenConsole:
				a.Text = &console
			}
		}
		given.Ops[i] = op
	}
	return &given
}

// Process is the program that the container starts with.
type Process struct {
	// Program is the path to execute: absolute, inside the root, free of
	// symbolic links. For a script it is the interpreter.
	Program string `json:"program"`
	// Entry is the path that the command's first word was found under, links
	// and all. For a script it is the script.
	Entry string   `json:"entry"`
	Args  []string `json:"args"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"`
	TTY   bool     `json:"tty,omitempty"`
}

// IDMap maps Size ids from Container upwards to those from Host upwards.
type IDMap struct {
	Container uint32 `json:"container"`
	Host      uint32 `json:"host"`
	Size      uint32 `json:"size"`
}

// Identity is who the program is inside the container.
type Identity struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
	// UIDs and GIDs are the maps of the user namespace.
	UIDs []IDMap `json:"uids"`
	GIDs []IDMap `json:"gids"`
	// Setgroups is false where setgroups(2) must be given up, as an
	// unprivileged process has to before it maps its own group.
	Setgroups bool `json:"setgroups"`
}

// Layer is an overlay layer over the image's tree: what is missing there for
// mounts is made, what is not granted is hidden. It is made once and kept
// under the digest of its content.
type Layer struct {
	// Entries are sorted by path.
	Entries []LayerEntry `json:"entries"`
}

// LayerKind is the kind of an entry of a [Layer].
type LayerKind string

// The kinds of entries. A directory that also exists below takes the owner
// and mode it has there.
const (
	LayerDir      LayerKind = "dir"
	LayerFile     LayerKind = "file"
	LayerSymlink  LayerKind = "symlink"
	LayerWhiteout LayerKind = "whiteout"
)

// LayerEntry is one file of a [Layer].
type LayerEntry struct {
	Path string    `json:"path"`
	Kind LayerKind `json:"kind"`
	// Target is a symbolic link's target.
	Target string `json:"target,omitempty"`
	// Content is a file's content.
	Content string `json:"content,omitempty"`
}

// Supervision is what the supervisor of a running container decides by.
type Supervision struct {
	// Kernel is the manifest's kernel release; see manifest.Syscalls.
	Kernel string `json:"kernel,omitempty"`
	// Syscalls are the names granted under any condition.
	Syscalls []string `json:"syscalls,omitempty"`
	// When gives, of the granted calls that the filter leaves to the
	// supervisor and that have conditions, the lists of comparisons of which
	// any one has to hold.
	When map[string][][]Compare `json:"when,omitempty"`
	// Programs are the granted programs, resolved; manifest.AnyProgram
	// grants every one.
	Programs []string `json:"programs,omitempty"`
	// Names says what those of them are called that the manifest or the
	// command names by a symbolic link.
	Names map[string]string `json:"names,omitempty"`
	// Hidden are the image's ELF programs that are not granted.
	Hidden []string `json:"hidden,omitempty"`
	// Network is the manifest's network section. Handover and Shared are those of the
	// plan's [Network].
	Network  manifest.Network `json:"network"`
	Handover bool             `json:"handover,omitempty"`
	Shared   bool             `json:"shared,omitempty"`
	// Files is nil where the use of files is not traced.
	Files *Files `json:"files,omitempty"`
}
