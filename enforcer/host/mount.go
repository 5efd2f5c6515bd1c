package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func (i *inspection) findMounts(_ context.Context, f Finding) Finding {
	return f.tried(i.try(plan.TrialMounts()))
}

func (i *inspection) findProc(_ context.Context, f Finding) Finding {
	return f.tried(i.try(plan.TrialProc()))
}

func (i *inspection) findTmpfs(_ context.Context, f Finding) Finding {
	return f.tried(i.try(plan.TrialTmpfs()))
}

func (i *inspection) findTerminals(_ context.Context, f Finding) Finding {
	// The container's own, for lpm run -t, is one of the host's.
	terminal, err := os.OpenFile(i.file("/dev/ptmx"), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		f.Detail, f.Hint = err.Error(), "sudo mount -t devpts -o ptmxmode=0666 devpts /dev/pts && sudo ln -sf pts/ptmx /dev/ptmx"
		return f.settle(false, nil)
	case err != nil:
		return f.settle(false, err)
	}
	if err := terminal.Close(); err != nil {
		return f.settle(false, err)
	}
	return f.tried(i.try(plan.TrialTerminals()))
}

func (i *inspection) findOverlay(_ context.Context, f Finding) Finding {
	places, remove, err := i.trialImage(false)
	if err != nil {
		return f.settle(false, err)
	}
	defer remove()
	t, err := plan.TrialOverlay(places)
	if err != nil {
		return f.settle(false, err)
	}
	return f.tried(i.try(t))
}

func (i *inspection) findWhiteouts(_ context.Context, f Finding) Finding {
	places, remove, err := i.trialImage(true)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		f.Detail = err.Error()
		return f.settle(false, nil)
	}
	if err != nil {
		return f.settle(false, err)
	}
	defer remove()
	t, err := plan.TrialWhiteout(places)
	if err != nil {
		return f.settle(false, err)
	}
	return f.tried(i.try(t))
}

// trialImage makes an unpacked image and its layer where the data folder is or
// would be, with a whiteout in the layer if that is asked for. The caller calls
// remove.
func (i *inspection) trialImage(whiteout bool) (p plan.Places, remove func(), err error) {
	store, err := i.temporary()
	if err != nil {
		return p, nil, err
	}
	p = plan.Places{
		Store: store, Tree: filepath.Join(store, "tree"), Layer: filepath.Join(store, "layer"),
		Mount: filepath.Join(store, "mount"), Scratch: filepath.Join(store, "scratch"),
	}
	if err := fill(p, whiteout); err != nil {
		return p, nil, errors.Join(err, os.RemoveAll(store))
	}
	return p, func() { _ = os.RemoveAll(store) }, nil
}

// fill makes the files of a trial's image.
func fill(p plan.Places, whiteout bool) error {
	for _, dir := range []string{p.Tree, filepath.Join(p.Tree, plan.TrialFolder), p.Layer, p.Mount, p.Scratch} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{plan.TrialHidden, plan.TrialFolder + "/file"} {
		if err := os.WriteFile(filepath.Join(p.Tree, name), nil, 0o644); err != nil {
			return err
		}
	}
	if !whiteout {
		return nil
	}
	if err := unix.Mknod(filepath.Join(p.Layer, plan.TrialHidden), unix.S_IFCHR, int(unix.Mkdev(0, 0))); err != nil {
		return fmt.Errorf("making a whiteout: %w", err)
	}
	return nil
}
