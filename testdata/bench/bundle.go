package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// writeBundle writes an OCI bundle for a tree that belongs to the caller: all
// namespaces, no capabilities, the paths masked that lpm masks, no cgroup, and a
// filter unless that is nil.
func writeBundle(dir, tree string, profile *specs.LinuxSeccomp) error {
	caller := func(id int) []specs.LinuxIDMapping { return []specs.LinuxIDMapping{{HostID: uint32(id), Size: 1}} }
	spec := specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: tree, Readonly: true},
		Process: &specs.Process{
			Args: []string{"/bin/true"}, Env: []string{"PATH=/bin"}, Cwd: "/",
			Capabilities: &specs.LinuxCapabilities{}, NoNewPrivileges: true,
		},
		Hostname: "lpm",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		},
		Linux: &specs.Linux{
			UIDMappings: caller(os.Getuid()), GIDMappings: caller(os.Getgid()),
			MaskedPaths:   []string{"/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/timer_list"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
			Seccomp:       profile,
		},
	}
	for _, kind := range []specs.LinuxNamespaceType{
		specs.UserNamespace, specs.MountNamespace, specs.PIDNamespace, specs.IPCNamespace,
		specs.UTSNamespace, specs.CgroupNamespace, specs.NetworkNamespace,
	} {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
}

// unified is where hosts that have cgroups of both versions mount the second.
const unified = "/sys/fs/cgroup/unified"

// placeForCrun returns the command within which crun runs here, none if it does
// without. Hosts with cgroups of both versions are refused by crun 1.8, which
// there gets to see the second version alone.
func (b *bench) placeForCrun(ctx context.Context, bundle string) []string {
	// The capabilities are needed for the mount, and gone afterwards.
	place := []string{"unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-ec",
		fmt.Sprintf(`mount --bind %s /sys/fs/cgroup; exec setpriv --inh-caps=-all --ambient-caps=-all "$@"`, unified), "sh"}
	if _, err := os.Stat(unified); err != nil || b.crun(bundle, nil).try(ctx) == nil || b.crun(bundle, place).try(ctx) != nil {
		return nil
	}
	fmt.Println("\ncrun runs in a mount namespace that has the second version of cgroups alone")
	return place
}

func (b *bench) crun(bundle string, within []string) command {
	return command{within: within, args: []string{
		"crun", "--root", filepath.Join(b.work, "crun"), "--cgroup-manager=disabled", "run", "--bundle", bundle, "bench",
	}}
}

func (b *bench) runc(bundle string) command {
	return command{args: []string{"runc", "--root", filepath.Join(b.work, "runc"), "run", "--bundle", bundle, "bench"}}
}
