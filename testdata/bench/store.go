package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// store is a store of images of its own: of an image in it, the newest manifest
// is the one that counts.
type store struct {
	program string
	env     []string
}

func (b *bench) store(name string) store {
	return store{b.lpm, []string{"XDG_DATA_HOME=" + filepath.Join(b.work, "store-"+name)}}
}

// lpm runs lpm with the store and returns its standard output.
func (s store) lpm(ctx context.Context, args ...string) ([]byte, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("lpm %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// launchable is an image that is approved in a store of its own.
type launchable struct {
	store
	manifest manifest.Manifest
	// run is the command that runs it here.
	run []string
}

// approve loads an image into a store of its own, with a manifest, and
// approves that in full.
func (b *bench) approve(ctx context.Context, image, name string, m manifest.Manifest) (*launchable, error) {
	l := &launchable{store: b.store(name), manifest: m}
	text, err := m.Canonical()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.work, name+".json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	approve := []string{"approve", "--yes", image}
	for _, p := range m.Permissions() {
		if p.Level == manifest.Special {
			approve = append(approve, "--accept", p.ID)
		}
	}
	for _, args := range [][]string{{"load", b.image(image)}, {"attach", image, file}, approve} {
		if _, err := l.lpm(ctx, args...); err != nil {
			return nil, err
		}
	}
	l.run = []string{b.lpm, "run", image}
	return l, nil
}

// anyway has the image run with --best-effort where the host cannot enforce
// all of its manifest, and says so.
func (l *launchable) anyway(ctx context.Context) error {
	_, err := l.lpm(ctx, append([]string{"run", "--dry-run"}, l.run[2:]...)...)
	if err == nil {
		return nil
	}
	l.run = slices.Insert(l.run, 2, "--best-effort")
	if _, again := l.lpm(ctx, append([]string{"run", "--dry-run"}, l.run[2:]...)...); again != nil {
		return again
	}
	fmt.Printf("\n%s is run with --best-effort: %s\n", l.run[len(l.run)-1], gist(err.Error()))
	return nil
}

// plan returns what a launch of the image does.
func (l *launchable) plan(ctx context.Context) (*plan.Plan, error) {
	out, err := l.lpm(ctx, append([]string{"run", "--dry-run", "-o", "json"}, l.run[2:]...)...)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{}
	if err := json.Unmarshal(out, p); err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	return p, nil
}

// unbounded is a manifest without what needs a cgroup.
func unbounded(m manifest.Manifest) manifest.Manifest {
	m.Resources.Memory, m.Resources.PIDs, m.Resources.MilliCPU = 0, 0, 0
	return m
}

// gist returns what a program said last, without lpm's name before it and its
// hint after it.
func gist(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if n := len(lines); n > 1 && strings.HasPrefix(lines[n-1], "hint: ") {
		lines = lines[:n-1]
	}
	last := lines[len(lines)-1]
	if _, after, ok := strings.Cut(last, "lpm: "); ok {
		return after
	}
	return last
}
