package enforcer_test

import (
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// namespaceAttacks make namespaces, where they would have every capability, or
// get at those of others.
func namespaceAttacks() []attack {
	return []attack{
		{
			name: "clone_user", source: "user_namespaces(7); CDK abuse-unpriv-userns", tries: "makes a user namespace by clone's flags",
			grant: calls("unshare"),
		},
		{
			name: "clone3_user", source: "clone(2); moby's profile", tries: "makes a user namespace by clone3, whose flags no filter sees",
			grant: calls("clone3", "unshare"),
		},
		{
			name: "clone_parent", source: "clone(2), CLONE_PARENT", tries: "makes a child of lpm",
			bare: "refused: clone: EINVAL",
		},
		{
			name: "unshare_user", source: "user_namespaces(7); CVE-2022-0185", tries: "regains every capability in a user namespace",
			grant: calls("unshare"),
		},
		{
			name: "unshare_net", source: "network_namespaces(7); CVE-2021-22555", tries: "makes a network to be its administrator",
			grant: calls("unshare"),
		},
		{
			name: "unshare_mount", source: "mount_namespaces(7)", tries: "makes a mount namespace to mount in",
			grant: both(calls("unshare", "mount"), program(manifest.AnyProgram)),
		},
		{
			name: "unshare_uts", source: "unshare(1)", tries: "makes a host name of its own",
			grant: calls("unshare", "sethostname"),
		},
		{
			name: "unshare_time", source: "time_namespaces(7)", tries: "makes clocks of its own, by a flag that clone has not",
			grant: calls("unshare"),
		},
		{
			name: "setns", source: "setns(2), nsenter(1)", tries: "joins the user namespace of another process",
			base: calls("unshare"), grant: calls("setns"),
		},
		{
			name: "parent_namespace", source: "ioctl_ns(2)", tries: "asks for the namespaces that hold its own",
			bare: "refused: NS_GET_PARENT: EPERM",
		},
		{
			name: "namespace_handle", source: "open_by_handle_at(2); Linux 6.18", tries: "opens a namespace of the host by its handle",
			base: calls("open_by_handle_at"), plain: "SUCCEEDED", unless: noNamespaceHandles,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return namespaceHandle(t), nil },
		},
		{
			name: "host_mounts", source: "listmount(2); Linux 6.11", tries: "lists what is mounted on the host",
			base: calls("listmount"), plain: "SUCCEEDED", unless: before("6.11"),
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{mountNamespace(t)}, nil },
		},
		{
			name: "process_handle", source: "open_by_handle_at(2); Linux 6.14", tries: "opens a process of the host by its handle",
			base: calls("open_by_handle_at"), plain: "SUCCEEDED", unless: before("6.14"),
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return processHandle(t), nil },
		},
		{
			name: "cgroup_release_agent", source: "CVE-2022-0492; CDK mount-cgroup", tries: "names a program for the host to run",
			grant: both(calls("unshare", "mount"), program(manifest.AnyProgram)), never: hostsOwn + " since Linux 5.17",
		},
		{
			name: "overlay_mount", source: "CVE-2023-0386, CVE-2021-3493", tries: "mounts an overlay",
			// To map user 0 once more takes a capability (user_namespaces(7)).
			grant: both(calls("unshare", "mount"), program(manifest.AnyProgram), capability("CAP_SETFCAP")),
		},
		{
			name: "nf_tables", source: "CVE-2022-32250, CVE-2024-1086", tries: "makes a firewall table in a network of its own",
			base: families, grant: both(calls("unshare"), family("AF_NETLINK")),
		},
	}
}

// mountAttacks change what is where, as root of the container could. Landlock
// forbids most of it wherever the programs are listed.
func mountAttacks() []attack {
	administers := capability("CAP_SYS_ADMIN")
	mounts := both(administers, program(manifest.AnyProgram))
	return []attack{
		{
			name: "fsopen", source: "fsopen(2); CVE-2022-0185", tries: "mounts what it never attaches, and writes to it",
			base: both(calls("fsopen", "fsconfig", "fsmount"), administers), bare: "SUCCEEDED",
		},
		{
			name: "open_tree", source: "open_tree(2); CVE-2025-31133", tries: "copies the root without what is mounted over it",
			grant: both(calls("open_tree"), administers),
		},
		{
			name: "move_mount", source: "move_mount(2)", tries: "attaches a mount over a folder",
			base: both(calls("fsopen", "fsconfig", "fsmount", "move_mount"), mounts), bare: "SUCCEEDED",
		},
		{
			name: "mount", source: "mount(2)", tries: "mounts over a folder",
			base: both(calls("mount"), mounts), bare: "SUCCEEDED",
		},
		{
			name: "umount", source: "umount(2); CVE-2025-52881", tries: "makes /proc/sys writable",
			// Without lpm nothing is mounted there.
			base: both(calls("umount2"), mounts), bare: "refused: umount2: EINVAL",
		},
		{
			name: "mount_setattr", source: "mount_setattr(2)", tries: "takes noexec off /tmp",
			grant: both(calls("mount_setattr"), administers),
		},
		{
			name: "remount_exec", source: "mount_setattr(2), landlock(7)", tries: "takes noexec off /tmp and executes what it wrote there",
			base: both(calls("mount_setattr"), administers), grant: program(manifest.AnyProgram),
		},
		{
			name: "pivot_root", source: "pivot_root(2)", tries: "puts another root in the place of its own",
			base: both(calls("mount", "pivot_root"), mounts), bare: "SUCCEEDED",
		},
		{
			name: "chroot_escape", source: "chroot(2), NOTES", tries: "leaves its root by a folder that it holds open",
			base: both(calls("chroot"), capability("CAP_SYS_CHROOT")), bare: "SUCCEEDED",
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{t.TempDir()}, nil },
		},
	}
}
