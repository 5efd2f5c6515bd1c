package enforcer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/filter"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/rootfs"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/manifest"
)

// Job is a container to prepare.
type Job struct {
	Mode   plan.Mode
	Digest string
	Config plan.Config
	// Tree is the image's unpacked tree. With IdentityRange it keeps the
	// owners that the image names, with IdentitySingle all is the caller's.
	Tree string
	// Manifest is what may be done; nil in record mode.
	Manifest *manifest.Manifest
	Options  plan.Options
	// Folders gives the folders of lpm's data that the launch uses.
	Folders Folders
}

// Folders are those parts of lpm's data folder that a launch uses.
type Folders struct {
	// Store is the data folder itself.
	Store string
	// Prepared makes and returns a folder that is kept under a key: the
	// digits of the image's digest, a dash, and more.
	Prepared func(key string) (string, error)
	// Volume makes and returns the folder of a named volume.
	Volume func(name string) (string, error)
}

// The pieces of work that are done in the user namespace of the tree's owners.
const (
	workLook    = "rootfs-look"
	workPrepare = "rootfs-prepare"
	workFill    = "rootfs-fill"
)

// Works returns the pieces of work that this package runs in user namespaces,
// for [userns.Main].
func Works() map[string]userns.Work {
	return map[string]userns.Work{
		workLook: func(ctx context.Context, in json.RawMessage) (any, error) {
			var r rootfs.Request
			if err := json.Unmarshal(in, &r); err != nil {
				return nil, err
			}
			survey, err := rootfs.Look(ctx, r)
			return look(survey, err)
		},
		workPrepare: func(ctx context.Context, in json.RawMessage) (any, error) {
			var l rootfs.Layer
			if err := json.Unmarshal(in, &l); err != nil {
				return nil, err
			}
			return nil, rootfs.Prepare(ctx, l)
		},
		workFill: func(ctx context.Context, in json.RawMessage) (any, error) {
			var v rootfs.Volume
			if err := json.Unmarshal(in, &v); err != nil {
				return nil, err
			}
			return nil, rootfs.Fill(ctx, v)
		},
	}
}

// looked is the result of a look, with the one kind of error that callers
// decide on in a form that passes from process to process.
type looked struct {
	Survey     plan.Survey `json:"survey"`
	Program    string      `json:"program,omitempty"`
	Missing    bool        `json:"missing,omitempty"`
	Forbidden  bool        `json:"forbidden,omitempty"`
	ProgramErr string      `json:"programErr,omitempty"`
}

func look(s plan.Survey, err error) (looked, error) {
	l := looked{Survey: s}
	var p *rootfs.ProgramError
	if errors.As(err, &p) {
		l.Program, l.ProgramErr = p.Program, p.Err.Error()
		l.Missing, l.Forbidden = errors.Is(p, fs.ErrNotExist), errors.Is(p, fs.ErrPermission)
		return l, nil
	}
	return l, err
}

func (l looked) result() (plan.Survey, error) {
	switch {
	case l.ProgramErr == "":
		return l.Survey, nil
	case l.Missing:
		return l.Survey, &rootfs.ProgramError{Program: l.Program, Err: fs.ErrNotExist}
	case l.Forbidden:
		return l.Survey, &rootfs.ProgramError{Program: l.Program, Err: fmt.Errorf("%s%w", strings.TrimSuffix(l.ProgramErr, fs.ErrPermission.Error()), fs.ErrPermission)}
	}
	return l.Survey, &rootfs.ProgramError{Program: l.Program, Err: errors.New(l.ProgramErr)}
}

// Prepared is a container that is ready to start.
type Prepared struct {
	container.Launch
	// Defaults is what the image's program is started with.
	Defaults plan.Defaults
	// Layer is the folder of the overlay layer.
	Layer string
	// Filters are the plan's filters, compiled.
	Filters launch.Filters
}

// Prepare makes a container ready to start. Of what the host cannot enforce
// it returns a [*plan.UnenforceableError], and of a program that cannot be
// started a [*rootfs.ProgramError].
func Prepare(ctx context.Context, j Job) (*Prepared, error) {
	h, err := Probe(ctx)
	if err != nil {
		return nil, err
	}
	p := &preparation{Job: j, host: h}
	if j.Manifest != nil {
		p.identity = j.Manifest.Identity.Mode
	} else {
		p.identity = j.Options.Identity
	}
	survey, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	places, err := p.places()
	if err != nil {
		return nil, err
	}
	request := plan.Request{
		Mode: j.Mode, Manifest: j.Manifest, Host: h, Options: j.Options, Places: places,
		Image: plan.Image{Digest: j.Digest, Config: j.Config, Survey: survey},
	}
	// The layer's folder is named after what is in it, so that the plan is
	// computed once to know the layer and once with its place.
	made, err := plan.New(request)
	if err != nil {
		return nil, err
	}
	if request.Places, err = p.layerPlaces(places, made.Layer); err != nil {
		return nil, err
	}
	if made, err = plan.New(request); err != nil {
		return nil, err
	}
	if err := p.layer(ctx, request.Places.Layer, made.Layer); err != nil {
		return nil, err
	}
	if err := p.fillVolumes(ctx, places.Volumes, made.Identity); err != nil {
		return nil, err
	}
	filters, err := compileFilters(made)
	if err != nil {
		return nil, fmt.Errorf("compiling the system call filters: %w", err)
	}
	program, err := launch.Compile(made, filters)
	if err != nil {
		return nil, err
	}
	return &Prepared{
		Launch: container.Launch{
			Plan: made, Program: program, Host: h,
			Given: launch.Given{Args: made.Process.Args, Env: made.Process.Env, Console: j.Options.Console},
			Ops:   func() ([]plan.Op, error) { return made.Operations(), nil },
		},
		Defaults: request.Image.Defaults(), Layer: request.Places.Layer, Filters: filters,
	}, nil
}

// compileFilters compiles the filters of a plan.
func compileFilters(p *plan.Plan) (compiled launch.Filters, err error) {
	if compiled.Program, err = filter.CompileAll(p.Filters); err == nil && p.Init != nil {
		compiled.Init, err = filter.Compile(p.Init.Filter)
	}
	return compiled, err
}

// ExitCode returns the code for an error of [Prepare] or of the launch.
func ExitCode(err error) int {
	var program *rootfs.ProgramError
	switch {
	case errors.As(err, &program) && errors.Is(err, fs.ErrNotExist):
		return container.ExitNotFound
	case errors.As(err, &program):
		return container.ExitNotExecutable
	}
	return container.ExitCode(err)
}

// Probe returns what plans need to know of this machine and account.
func Probe(ctx context.Context) (plan.Host, error) {
	return host.Probe(ctx)
}

// preparation is one call of Prepare.
type preparation struct {
	Job
	host     plan.Host
	identity manifest.IdentityMode
}

// look surveys the tree, in the namespace of its owners where it has several.
func (p *preparation) look(ctx context.Context) (plan.Survey, error) {
	command, err := plan.Command(p.Config, p.Options)
	if err != nil {
		return plan.Survey{}, err
	}
	dir := p.Config.WorkingDir
	if p.Options.WorkingDir != "" {
		dir = p.Options.WorkingDir
	}
	cache, err := p.Folders.Prepared(p.key("programs"))
	if err != nil {
		return plan.Survey{}, err
	}
	r := rootfs.Request{
		Tree: p.Tree, Cache: filepath.Join(cache, "programs-2.json"), User: cmp.Or(p.Options.User, p.Config.User),
		Program: command[0], Env: append(append([]string(nil), p.Config.Env...), p.Options.Env...), Dir: dir,
		Paths: plan.SurveyPaths(p.Manifest, dir),
	}
	for _, v := range p.Options.Volumes {
		r.Paths = append(r.Paths, v.Path)
	}
	if p.identity != manifest.IdentityRange {
		return rootfs.Look(ctx, r)
	}
	var l looked
	if err := InRange(ctx, p.host, workLook, r, &l); err != nil {
		return plan.Survey{}, err
	}
	return l.result()
}

// key is a name for what is kept of this image and identity.
func (p *preparation) key(what string) string {
	return strings.TrimPrefix(p.Digest, "sha256:") + "-" + string(p.identity) + "-" + what
}

func (p *preparation) places() (plan.Places, error) {
	// A key of the right length stands for the layer's own, still unknown.
	places, err := p.layerPlaces(plan.Places{Store: p.Folders.Store, Tree: p.Tree, Volumes: map[string]string{}}, plan.Layer{})
	if err != nil {
		return places, err
	}
	if p.Options.TimeZone != "" {
		if places.Localtime, err = host.TimeZone(p.Options.TimeZone); err != nil {
			return places, err
		}
	}
	mounts, err := plan.Mounts(p.Manifest, p.Options)
	if err != nil {
		return places, err
	}
	for _, m := range mounts {
		if m.Volume == "" {
			continue
		}
		if places.Volumes[m.Volume], err = p.Folders.Volume(m.Volume); err != nil {
			return places, err
		}
	}
	return places, nil
}

// layerPlaces adds the folders that belong to a layer.
func (p *preparation) layerPlaces(places plan.Places, l plan.Layer) (plan.Places, error) {
	content, err := json.Marshal(l)
	if err != nil {
		return places, err
	}
	sum := sha256.Sum256(content)
	key := p.key("layer-" + hex.EncodeToString(sum[:16]))
	base := filepath.Join(p.Folders.Store, "prepared", key)
	if len(l.Entries) > 0 {
		if base, err = p.Folders.Prepared(key); err != nil {
			return places, err
		}
	}
	places.Layer = filepath.Join(base, "layer")
	places.Mount = filepath.Join(base, "mount")
	places.Scratch = filepath.Join(base, "scratch")
	return places, nil
}

// layer makes the overlay layer and the folders to mount at.
func (p *preparation) layer(ctx context.Context, dir string, spec plan.Layer) error {
	for _, name := range []string{"mount", "scratch"} {
		if err := os.MkdirAll(filepath.Join(filepath.Dir(dir), name), 0o700); err != nil {
			return fmt.Errorf("preparing the root: %w", err)
		}
	}
	l := rootfs.Layer{Tree: p.Tree, Dir: dir, Spec: spec}
	if _, err := os.Lstat(dir); err == nil || p.identity != manifest.IdentityRange {
		return rootfs.Prepare(ctx, l)
	}
	return InRange(ctx, p.host, workPrepare, l, nil)
}

// fillVolumes gives new volumes what the image has in their place.
func (p *preparation) fillVolumes(ctx context.Context, dirs map[string]string, id plan.Identity) error {
	mounts, err := plan.Mounts(p.Manifest, p.Options)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.Volume == "" {
			continue
		}
		v := rootfs.Volume{Tree: p.Tree, Path: m.Path, Dir: dirs[m.Volume], UID: int(id.UID), GID: int(id.GID)}
		fill := func() error { return InRange(ctx, p.host, workFill, v, nil) }
		if p.identity != manifest.IdentityRange {
			// The one id that there is inside is the caller's outside.
			v.UID, v.GID = os.Getuid(), os.Getgid()
			fill = func() error { return rootfs.Fill(ctx, v) }
		}
		if err := fill(); err != nil {
			return err
		}
	}
	return nil
}

// InRange does a piece of work as root of a user namespace that maps the
// caller's subordinate ids as a container with a range has them.
func InRange(ctx context.Context, h plan.Host, work string, in, out any) error {
	uids, err := plan.RangeMap(h.UID, h.SubUIDs)
	if err != nil {
		return err
	}
	gids, err := plan.RangeMap(h.GID, h.SubGIDs)
	if err != nil {
		return err
	}
	return userns.Run(ctx, plan.Identity{UIDs: uids, GIDs: gids, Setgroups: true}, work, in, out)
}
