package enforcer_test

import (
	"strconv"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// resourceAttacks take more of what a manifest bounds than it grants. Processes
// and threads are among [processAttacks].
func resourceAttacks() []attack {
	return []attack{
		{
			name: "fill_writable", source: `tmpfs(5); Kubernetes' "ephemeral-storage"`, tries: "fills folders that it may write to beyond their size",
			args: []string{"/tmp", decimal(32 << 20), "/srv", decimal(4 << 20), "/dev/shm", decimal(manifest.DefaultWritableSize)},
			base: writable("/srv"), grant: larger,
		},
		{
			name: "many_inodes", source: "tmpfs(5), nr_inodes", tries: "fills the kernel's memory with files that have no content",
			grant: larger,
		},
		{
			name: "deep_folders", source: "CVE-2021-33909", tries: "makes folders in folders without end",
			args: []string{"/srv"}, grant: larger,
			base: func(m *manifest.Manifest) {
				m.Filesystem.Writable = append(m.Filesystem.Writable, manifest.WritablePath{Path: "/srv", Size: 1 << 20})
			},
		},
		{
			name: "file_size", source: "getrlimit(2), RLIMIT_FSIZE", tries: "makes a file larger than it may be",
			base:  both(calls("memfd_create"), resources(manifest.Resources{FileSize: 1 << 20})),
			grant: resources(manifest.Resources{FileSize: 16 << 20}),
		},
		{
			name: "open_descriptors", source: "getrlimit(2), RLIMIT_NOFILE", tries: "opens more than it may have open",
			base:  resources(manifest.Resources{OpenFiles: 64}),
			grant: resources(manifest.Resources{OpenFiles: 1000}),
		},
		{
			name: "descriptors_in_flight", source: "unix(7), ETOOMANYREFS; CVE-2013-4312", tries: "has more files open, in messages that nobody receives",
			base:  resources(manifest.Resources{OpenFiles: 64}),
			grant: resources(manifest.Resources{OpenFiles: 2000}),
		},
		memoryWays(),
		{
			name: "locked_memory", source: "mlock(2), RLIMIT_MEMLOCK", tries: "locks more memory than its user may",
			base: calls("mlock"), grant: capability("CAP_IPC_LOCK"), never: hostsOwn, plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "pipe_size", source: "pipe(7), /proc/sys/fs/pipe-max-size", tries: "gives a pipe a larger buffer than everybody may have",
			grant: capability("CAP_SYS_RESOURCE"), never: hostsOwn,
		},
	}
}

// memoryWays goes one way after the other, and is ended at the first for which
// no single process can be blamed.
func memoryWays() attack {
	return attack{
		name: "memory_ways", source: `cgroups(7); Linux, cgroup-v2.rst, "memory"`, tries: "takes more memory than it may have, by all that has some",
		base:  both(calls("memfd_create"), resources(manifest.Resources{Memory: 64 << 20})),
		grant: resources(manifest.Resources{Memory: 1 << 30}), dies: "SIGKILL",
	}
}

// TestMemoryByEveryWay goes each way alone.
func TestMemoryByEveryWay(t *testing.T) {
	l := newLab(t, "attacks")
	for _, way := range []string{"own-pages", "shared-pages", "nameless-file", "segment", "sockets", "page-tables"} {
		a := memoryWays()
		a.args = []string{way}
		t.Run(way, func(t *testing.T) {
			a.refused(t, l)
			a.granted(t, l)
		})
	}
}

func resources(r manifest.Resources) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Resources = r }
}

// larger gives the folders that are writable more room.
func larger(m *manifest.Manifest) {
	for i := range m.Filesystem.Writable {
		m.Filesystem.Writable[i].Size = 128 << 20
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
