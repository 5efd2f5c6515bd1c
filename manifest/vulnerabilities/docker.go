package vulnerabilities

import "github.com/least-privilege/lpm/manifest"

// Docker returns what Docker lets a container do that is run without options:
// its default profile of system calls, its default capabilities, a network of
// its own. Calls of other interfaces are allowed by the profile.
//
// The table behind it is made by internal/dockergen. It says less than Docker's
// containers can do: root in them is root of the machine, unless user
// namespaces are switched on.
func Docker(arch string) Confinement {
	m := &manifest.Manifest{Version: manifest.Version}
	m.Syscalls.Architecture, m.Syscalls.Kernel = arch, manifest.KnownKernel
	m.Identity.Mode, m.Network.Mode = manifest.IdentityRange, manifest.NetworkPrivate
	for _, text := range dockerCalls {
		call, err := parse(text) // a test reads them all
		if _, has := manifest.LookupSyscall(arch, call.name); has && err == nil {
			m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: call.name, When: call.when})
		}
	}
	// Each container has a devpts of its own, with /dev/ptmx.
	m.Devices = []manifest.Device{{Path: "/dev/ptmx"}}
	for _, name := range DockerCapabilities() {
		m.Capabilities = append(m.Capabilities, manifest.Capability{Name: name})
	}
	return Confinement{Manifest: m, Foreign: true}
}

// DockerCapabilities returns what Docker gives a container by default; see
// oci/caps/defaults.go of github.com/moby/moby.
func DockerCapabilities() []string {
	return []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}
