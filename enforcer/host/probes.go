package host

import (
	"context"
	"slices"
)

// probe is a question to the machine.
type probe struct {
	// Finding has what does not depend on the answer, and the usual hint.
	Finding
	// needs names the findings without which the question cannot be asked.
	needs []string
	ask   func(context.Context, Finding) Finding
}

// probes are all questions, in the order of the answers.
func (i *inspection) probes() []probe {
	const (
		user   = "user-namespaces"
		mounts = "mount-api"
		data   = "data-folder"
	)
	space := []string{user, "namespace-mount", "namespace-pid"}
	with := func(more ...string) []string { return slices.Concat(space, []string{mounts}, more) }
	all := []probe{
		{Finding{Name: "kernel", Use: "limits counted per container, overlay mounts by an ordinary user", Required: true,
			Hint: "boot Linux 5.14 or later"}, nil, i.findKernel},
		{Finding{Name: data, Use: "images, manifests and what is prepared of them", Required: true}, nil, i.findData},
		{Finding{Name: "data-space", Use: "room to unpack images in"}, []string{data}, i.findSpace},
		{Finding{Name: "clone3", Use: "starting containers", Required: true, Hint: "boot Linux 5.3 or later"}, nil, i.findClone3},
		{Finding{Name: user, Use: "everything: lpm has no other privilege", Required: true}, []string{"clone3"}, i.findUserNamespaces},
	}
	all = append(all, i.switchProbes()...)
	all = append(all, i.namespaceProbes(user)...)
	all = append(all, []probe{
		{Finding{Name: "newuidmap", Use: "mapping a range of ids (newuidmap and newgidmap)",
			Hint: "sudo apt-get install uidmap"}, nil, i.findMappers},
		{Finding{Name: "subordinate-ids", Use: "images that switch users (identity: range)"}, []string{user, "newuidmap"}, i.findSubordinate},
		{Finding{Name: "openat2", Use: "following no link out of a container", Required: true,
			Hint: "boot Linux 5.6 or later"}, nil, i.findOpenat2},
		{Finding{Name: "close-range", Use: "handing no descriptor to a container", Required: true,
			Hint: "boot Linux 5.11 or later"}, nil, i.findCloseRange},
		{Finding{Name: mounts, Use: "every mount of a container", Required: true,
			Hint: "boot Linux 5.12 or later"}, space, i.findMounts},
		{Finding{Name: "proc", Use: "a container's own /proc", Required: true,
			Hint: "boot a kernel with CONFIG_PROC_FS=y"}, with(), i.findProc},
		{Finding{Name: "tmpfs", Use: "what containers write", Required: true,
			Hint: "boot a kernel with CONFIG_TMPFS=y"}, with(), i.findTmpfs},
		{Finding{Name: "overlay", Use: "the container's root", Required: true,
			Hint: "set XDG_DATA_HOME to a folder on ext4, xfs, btrfs or tmpfs"},
			with("tmpfs", "openat2", data), i.findOverlay},
		{Finding{Name: "whiteouts", Use: "hiding the programs that are not granted", Required: true,
			Hint: "set XDG_DATA_HOME to a folder on ext4, xfs or btrfs"}, with("overlay"), i.findWhiteouts},
		{Finding{Name: "terminals", Use: "lpm run -t, and programs that make terminals",
			Hint: "boot a kernel with CONFIG_UNIX98_PTYS=y"}, with(), i.findTerminals},
		{Finding{Name: "landlock", Use: "the list of programs", Required: true}, nil, i.findLandlock},
		{Finding{Name: "landlock-ports", Use: "TCP ports on the host's network, and private networks' connections with nothing between"}, nil, i.findLandlockPorts},
		{Finding{Name: "landlock-scopes", Use: "keeping from the host's abstract sockets on its network"}, nil, i.findLandlockScopes},
		{Finding{Name: "seccomp-notification", Use: "recording, and reports of what was refused", Required: true,
			Hint: "boot a kernel with CONFIG_SECCOMP_FILTER=y, 5.9 or later"}, space, i.findNotification},
		{Finding{Name: "seccomp-wait-killable", Use: "supervised calls that signals do not restart",
			Hint: "boot Linux 5.19 or later"}, nil, i.findWaitKillable},
		{Finding{Name: "seccomp-wake-up", Use: "quick answers to supervised calls",
			Hint: "boot Linux 6.6 or later"}, slices.Concat(space, []string{"seccomp-notification"}), i.findWakeUp},
		{Finding{Name: "process-access", Use: "taking a container's calls, and reading what they name", Required: true},
			[]string{user}, i.findAccess},
		{Finding{Name: "clone-into-cgroup", Use: "limits from a container's first instruction",
			Hint: "boot Linux 5.7 or later"}, []string{"clone3"}, i.findIntoCgroup},
		{Finding{Name: "cgroup-delegation", Use: "limits on memory, processes, processor and disk time",
			Hint: "have systemd run for you: loginctl enable-linger"}, nil, i.findGroups},
	}...)
	return append(all, i.networkProbes(user)...)
}
