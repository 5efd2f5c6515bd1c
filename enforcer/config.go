package enforcer

import (
	"maps"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Config returns the part of an image's configuration that a launch uses.
func Config(c v1.Config) plan.Config {
	return plan.Config{
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, User: c.User, WorkingDir: c.WorkingDir,
		Volumes: volumes(c), Ports: slices.Sorted(maps.Keys(c.ExposedPorts)),
	}
}

// volumes are the paths that the image says hold data, clean and sorted. One
// that is not absolute, or is the root, names no volume.
func volumes(c v1.Config) []string {
	var all []string
	for v := range c.Volumes {
		if v = path.Clean(v); path.IsAbs(v) && v != "/" {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
