package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// New computes the plan of a launch. It returns an [*UnenforceableError] where
// the host cannot enforce the manifest and Options.BestEffort is not set.
func New(r Request) (*Plan, error) {
	if r.Mode == Enforce {
		if r.Manifest == nil {
			return nil, fmt.Errorf("no manifest to enforce")
		}
		if a := r.Manifest.Syscalls.Architecture; a != r.Host.Architecture {
			return nil, fmt.Errorf("the manifest is for %s, this machine is %s", a, r.Host.Architecture)
		}
	}
	b := &builder{Request: r, plan: &Plan{Mode: r.Mode, Image: r.Image.Digest}, attached: map[string]Arg{}}
	for _, step := range []func() error{
		b.choices, b.process, b.identity, b.group, b.network, b.namespaces, b.filters, b.supervision, b.operations,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if len(b.plan.Unenforced) > 0 && !r.Options.BestEffort {
		return nil, &UnenforceableError{What: b.plan.Unenforced}
	}
	return b.plan, nil
}

// builder gathers one plan.
type builder struct {
	Request
	plan *Plan
	// chosen are the mounts of volumes and of folders of the host, asked the
	// mounts as the manifest has them.
	chosen, asked []manifest.Mount
	// named counts the descriptors, to give each a name of its own.
	named int
	// attached are the mounts of the new root, by where they are; their
	// descriptors stay open until the program is executed.
	attached map[string]Arg
	// joins tells that the process is a further one of a container.
	joins bool
}

// choices puts the caller's choices in the place of what the manifest leaves
// open, and makes room for a first process of lpm's own. The plan names the manifest that was approved.
func (b *builder) choices() error {
	if b.Options.Hostname != "" && !isHostname(b.Options.Hostname) {
		return &ChoiceError{"--hostname " + b.Options.Hostname, "not a name of letters, digits, dashes and dots, of at most 64 bytes", ""}
	}
	var err error
	if b.Mode != Enforce {
		b.chosen, err = Mounts(nil, b.Options)
		return err
	}
	if b.plan.Manifest, err = b.Manifest.Digest(); err != nil {
		return err
	}
	b.asked = b.Manifest.Mounts
	chosen := *b.Manifest
	if b.chosen, err = Mounts(b.Manifest, b.Options); err != nil {
		return err
	}
	chosen.Mounts = b.chosen
	if b.Options.Init && chosen.Resources.PIDs > 0 {
		chosen.Resources.PIDs++ // the manifest bounds the image's processes
	}
	b.Manifest = &chosen
	return b.publish()
}

// isHostname reports whether the kernel takes a name, and a line of /etc/hosts.
func isHostname(name string) bool {
	const most = 64 // HOST_NAME_MAX
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return name != "" && len(name) <= most && !strings.ContainsRune("-.", rune(name[0]))
}

// unenforced notes what the host cannot enforce.
func (b *builder) unenforced(format string, args ...any) {
	b.plan.Unenforced = append(b.plan.Unenforced, fmt.Sprintf(format, args...))
}

// identityMode is the manifest's, or the caller's choice while recording.
func (b *builder) identityMode() manifest.IdentityMode {
	if b.Mode == Record {
		return b.Options.Identity
	}
	return b.Manifest.Identity.Mode
}

// networkMode is the manifest's, or the caller's choice while recording.
func (b *builder) networkMode() manifest.NetworkMode {
	if b.Mode == Record {
		return cmp.Or(b.Options.Network, manifest.NetworkHost)
	}
	return b.Manifest.Network.Mode
}

func (b *builder) process() error {
	command, err := Command(b.Image.Config, b.Options)
	if err != nil {
		return err
	}
	s := b.Image.Survey
	dir := b.Image.Config.WorkingDir
	if b.Options.WorkingDir != "" {
		dir = b.Options.WorkingDir
	}
	if dir == "" {
		dir = "/"
	}
	if !path.IsAbs(dir) {
		return fmt.Errorf("the working folder %q is not an absolute path", dir)
	}
	args, env := withPrefix(command, s.Prefix), environment(b.Image.Config.Env, b.Options, s.Home)
	for _, text := range slices.Concat(args, env) {
		if strings.Contains(text, "\x00") {
			return fmt.Errorf("the kernel ends %q at the zero byte in it", text)
		}
	}
	b.plan.Process = Process{
		Program: s.Program, Entry: s.Found, Args: args, Dir: path.Clean(dir), TTY: b.Options.TTY,
		Env: env,
	}
	return nil
}

// defaultPath is what programs of an image without a PATH of its own get, as
// from every container engine.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is the image's, with what is missing from it and the caller's
// additions. The last of several settings of one name counts.
func environment(image []string, o Options, home string) []string {
	base := []string{"PATH=" + defaultPath, "HOME=" + home, "HOSTNAME=" + o.hostname()}
	if o.TTY {
		base = append(base, "TERM=xterm")
	}
	values := map[string]string{}
	var order []string
	if o.TimeZone != "" {
		// It would be asked before /etc/localtime.
		image = slices.DeleteFunc(slices.Clone(image), func(s string) bool { return strings.HasPrefix(s, "TZ=") })
	}
	for _, setting := range slices.Concat(base, image, o.Env) {
		name, _, ok := strings.Cut(setting, "=")
		if !ok || name == "" {
			continue
		}
		if _, seen := values[name]; !seen {
			order = append(order, name)
		}
		values[name] = setting
	}
	env := make([]string, len(order))
	for i, name := range order {
		env[i] = values[name]
	}
	return env
}

// hostname is the same in every container unless the caller chooses one, for a
// name is something that a program could tell the host by.
func (o Options) hostname() string { return cmp.Or(o.Hostname, "lpm") }

func (b *builder) identity() error {
	s, h := b.Image.Survey, b.Host
	id := Identity{UID: s.UID, GID: s.GID}
	switch b.identityMode() {
	case manifest.IdentitySingle:
		id.UIDs = []IDMap{{Container: s.UID, Host: h.UID, Size: 1}}
		id.GIDs = []IDMap{{Container: s.GID, Host: h.GID, Size: 1}}
	case manifest.IdentityRange:
		var err error
		if id.UIDs, err = RangeMap(h.UID, h.SubUIDs); err != nil {
			return fmt.Errorf("mapping user ids: %w", err)
		}
		if id.GIDs, err = RangeMap(h.GID, h.SubGIDs); err != nil {
			return fmt.Errorf("mapping group ids: %w", err)
		}
		// The program's own group is one of them, as after a login: a
		// program of another group that it executes has it too
		// (CVE-2022-36109).
		id.Groups = []uint32{s.GID}
		for _, g := range s.Groups {
			if !slices.Contains(id.Groups, g) {
				id.Groups = append(id.Groups, g)
			}
		}
		for _, n := range append([]uint32{s.UID}, id.Groups...) {
			if n >= rangeSize {
				return &UnmappedError{ID: n}
			}
		}
		id.Setgroups = true
	default:
		return fmt.Errorf("unknown identity mode %q", b.identityMode())
	}
	b.plan.Identity = id
	return nil
}

func (b *builder) namespaces() error {
	b.plan.Namespaces = []string{
		"CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWPID", "CLONE_NEWIPC",
		"CLONE_NEWUTS",
	}
	if b.plan.Group.Kind == GroupNone {
		b.plan.Namespaces = append(b.plan.Namespaces, "CLONE_NEWCGROUP")
	}
	if b.networkMode() != manifest.NetworkHost {
		b.plan.Namespaces = append(b.plan.Namespaces, "CLONE_NEWNET")
	}
	b.plan.Watch = b.Mode == Record || b.plan.Identity.Setgroups || b.grants("unshare") || b.admitsDeathSignal()
	return nil
}

// admitsDeathSignal reports whether the manifest lets a process say which
// signal it gets when its parent dies. The kernel reads 32 bits of the option.
func (b *builder) admitsDeathSignal() bool {
	const setDeathSignal = 1 // PR_SET_PDEATHSIG of linux/prctl.h
	other := func(c Compare) bool { return c.Arg == 0 && (c.Value^setDeathSignal)&c.Mask&word != 0 }
	return slices.ContainsFunc(b.Manifest.Syscalls.Allow, func(s manifest.Syscall) bool {
		if s.Name != "prctl" {
			return false
		}
		lists, err := b.alternatives(s)
		return err != nil || slices.ContainsFunc(lists, func(l []Compare) bool { return !slices.ContainsFunc(l, other) })
	})
}

// supervision lists what the supervisor decides by.
func (b *builder) supervision() error {
	if b.Mode == Record {
		b.plan.Supervision.Network.Mode = b.networkMode()
		return b.layer(nil)
	}
	m := b.Manifest
	sup := Supervision{Kernel: m.Syscalls.Kernel, Network: m.Network}
	for _, s := range m.Syscalls.Allow {
		if !slices.Contains(sup.Syscalls, s.Name) {
			sup.Syscalls = append(sup.Syscalls, s.Name)
		}
	}
	for _, p := range m.Execute {
		// Landlock would take it for all that is below.
		if f := b.fact(p.Path); f.Exists && f.Dir {
			return fmt.Errorf("the manifest executes %q, which is a folder in this image: name the programs", p.Path)
		}
	}
	granted := b.granted()
	if entry := b.Image.Survey.Entry; !granted[entry] && !granted[manifest.AnyProgram] {
		return &NotGrantedError{Program: entry}
	}
	for p := range granted {
		sup.Programs = append(sup.Programs, p)
	}
	slices.Sort(sup.Programs)
	if !granted[manifest.AnyProgram] {
		for _, e := range b.Image.Survey.Executables {
			if !e.Library && !e.Script && !granted[e.Path] {
				sup.Hidden = append(sup.Hidden, e.Path)
			}
		}
	}
	sup.Names = b.names()
	var err error
	if sup.When, err = b.conditions(); err != nil {
		return err
	}
	sup.Files = b.files()
	sup.Handover = b.handover()
	sup.Shared = sup.Handover && b.plan.Network.Shared
	b.plan.Supervision = sup
	return b.layer(sup.Hidden)
}

// names returns what granted programs are called where that is not their real
// path: as the manifest has it, or as the command was found.
func (b *builder) names() map[string]string {
	names := map[string]string{}
	if s := b.Image.Survey; len(s.Prefix) == 0 && s.Found != s.Entry {
		names[s.Entry] = s.Found
	}
	for _, p := range b.Manifest.Execute {
		if real := b.real(p.Path); real != p.Path {
			names[real] = p.Path
		}
	}
	return names
}

// granted returns the real paths of the programs that may be executed, with
// the loaders and interpreters that follow from them.
func (b *builder) granted() map[string]bool {
	granted := map[string]bool{}
	needs := map[string]string{}
	for _, e := range b.Image.Survey.Executables {
		needs[e.Path] = e.Needs
	}
	add := func(p string) {
		for ; p != "" && !granted[p]; p = needs[p] {
			granted[p] = true
		}
	}
	for _, p := range b.Manifest.Execute {
		if p.Path == manifest.AnyProgram {
			granted[manifest.AnyProgram] = true
			continue
		}
		add(b.real(p.Path))
	}
	return granted
}

// real returns the path with its symbolic links followed, as far as the
// survey looked.
func (b *builder) real(p string) string {
	if f, ok := b.Image.Survey.Paths[p]; ok {
		return f.Real
	}
	return p
}
