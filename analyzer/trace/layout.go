package trace

import (
	"fmt"
	"runtime"

	"github.com/cilium/ebpf/btf"
)

// layout is where in the kernel's structures the things are that the programs
// look at, in bytes.
type layout struct {
	taskPID, taskTGID, taskMM, taskFS, taskFiles, taskCred, taskRealCred, taskSignal uint32
	// taskCompat holds, in compatBit, whether the call is one of a 32-bit
	// process.
	taskCompat, compatBit                                 uint32
	signalLive, signalGroup                               uint32
	mmExe                                                 uint32
	fsRoot, fsPwd                                         uint32
	filesTable, tableFiles, tableSize                     uint32
	filePath, fileMode, fileFlags, fileInode, filePrivate uint32
	pathMount, pathDentry                                 uint32
	dentryParent, dentryName                              uint32
	vfsmountRoot                                          uint32
	mountVFS, mountParent, mountPoint                     uint32
	mountNS, mountNSNumber                                uint32
	inodeMode, inodeUID, inodeGID                         uint32
	// credIDs are uid, euid, suid, fsuid, gid, egid, sgid and fsgid.
	credIDs                               [8]uint32
	credEffective, credGroups, credUserNS uint32
	groupsCount, groupsList               uint32
	userNSNumber                          uint32
	binprmFilename, binprmInterp          uint32
	socketSock                            uint32
	sockFamily, sockType, sockProtocol    uint32
	sockPort, sockAddress, sockAddress6   uint32
	sockPeerPort                          uint32
	siginfoCode                           uint32
	// args are the six arguments of a call, number its number.
	args   [6]uint32
	number uint32
	// mode tells, by the bits of modeMask, whether the caller runs native
	// code: they are modeNative then.
	mode, modeMask, modeNative uint32
}

// newLayout looks everything up in the kernel's type information.
func newLayout(spec *btf.Spec) (*layout, error) {
	f := finder{spec: spec}
	l := &layout{
		taskPID: f.at("task_struct", "pid"), taskTGID: f.at("task_struct", "tgid"), taskMM: f.at("task_struct", "mm"),
		taskFS: f.at("task_struct", "fs"), taskFiles: f.at("task_struct", "files"),
		taskCred: f.at("task_struct", "cred"), taskRealCred: f.at("task_struct", "real_cred"), taskSignal: f.at("task_struct", "signal"),
		signalLive: f.at("signal_struct", "live"),
		// enum pid_type: PIDTYPE_PGID is the third.
		signalGroup: f.at("signal_struct", "pids") + 2*8,
		mmExe:       f.at("mm_struct", "exe_file"),
		fsRoot:      f.at("fs_struct", "root"), fsPwd: f.at("fs_struct", "pwd"),
		filesTable: f.at("files_struct", "fdt"),
		tableFiles: f.at("fdtable", "fd"), tableSize: f.at("fdtable", "max_fds"),
		filePath: f.at("file", "f_path"), fileMode: f.at("file", "f_mode"),
		fileFlags: f.at("file", "f_flags"), fileInode: f.at("file", "f_inode"),
		filePrivate: f.at("file", "private_data"),
		pathMount:   f.at("path", "mnt"), pathDentry: f.at("path", "dentry"),
		dentryParent: f.at("dentry", "d_parent"), dentryName: f.at("dentry", "d_name", "name"),
		vfsmountRoot: f.at("vfsmount", "mnt_root"),
		mountVFS:     f.at("mount", "mnt"), mountParent: f.at("mount", "mnt_parent"),
		mountPoint: f.at("mount", "mnt_mountpoint"),
		mountNS:    f.at("mount", "mnt_ns"), mountNSNumber: f.at("mnt_namespace", "ns", "inum"),
		inodeMode: f.at("inode", "i_mode"), inodeUID: f.at("inode", "i_uid"), inodeGID: f.at("inode", "i_gid"),
		credEffective: f.at("cred", "cap_effective"), credGroups: f.at("cred", "group_info"),
		credUserNS:  f.at("cred", "user_ns"),
		groupsCount: f.at("group_info", "ngroups"), groupsList: f.at("group_info", "gid"),
		userNSNumber:   f.at("user_namespace", "ns", "inum"),
		binprmFilename: f.at("linux_binprm", "filename"), binprmInterp: f.at("linux_binprm", "interp"),
		socketSock: f.at("socket", "sk"),
		sockFamily: f.at("sock", "__sk_common", "skc_family"),
		sockType:   f.at("sock", "sk_type"), sockProtocol: f.at("sock", "sk_protocol"),
		sockPort: f.at("sock", "__sk_common", "skc_num"), sockPeerPort: f.at("sock", "__sk_common", "skc_dport"),
		siginfoCode: f.at("kernel_siginfo", "si_code"),
		sockAddress: f.at("sock", "__sk_common", "skc_rcv_saddr"), sockAddress6: f.at("sock", "__sk_common", "skc_v6_rcv_saddr"),
	}
	for i, name := range []string{"uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"} {
		l.credIDs[i] = f.at("cred", name)
	}
	switch runtime.GOARCH {
	case "amd64":
		for i, name := range []string{"di", "si", "dx", "r10", "r8", "r9"} {
			l.args[i] = f.at("pt_regs", name)
		}
		l.number = f.at("pt_regs", "orig_ax")
		l.taskCompat, l.compatBit = f.at("task_struct", "thread_info", "status"), 1<<1 // TS_COMPAT
		l.mode, l.modeMask, l.modeNative = f.at("pt_regs", "cs"), 1<<16-1, 0x33        // __USER_CS
	case "arm64":
		// Register 0 holds the result once the call has been made.
		l.args[0] = f.at("pt_regs", "orig_x0")
		for i := 1; i < 6; i++ {
			l.args[i] = f.at("pt_regs", "regs") + uint32(8*i)
		}
		l.number = f.at("pt_regs", "syscallno")
		l.taskCompat, l.compatBit = f.at("task_struct", "thread_info", "flags"), 1<<22 // TIF_32BIT
		l.mode, l.modeMask, l.modeNative = f.at("pt_regs", "pstate"), 1<<4, 0          // PSR_MODE32_BIT
	default:
		return nil, fmt.Errorf("the ebpf recorder does not know the registers of %s", runtime.GOARCH)
	}
	return l, f.err
}

// finder finds members of structures and keeps the first error.
type finder struct {
	spec *btf.Spec
	err  error
}

// at returns the offset of a member, named by way of the members that it is
// in. Unnamed structures and unions in between are not named.
func (f *finder) at(structure string, members ...string) uint32 {
	var s *btf.Struct
	if err := f.spec.TypeByName(structure, &s); err != nil {
		f.fail(fmt.Errorf("the kernel's types have no struct %s: %w", structure, err))
		return 0
	}
	var t btf.Type = s
	offset := uint32(0)
	for _, name := range members {
		o, inner, ok := member(t, name)
		if !ok {
			f.fail(fmt.Errorf("the kernel's struct %s has no member %s", structure, name))
			return 0
		}
		offset, t = offset+o, inner
	}
	return offset
}

func (f *finder) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func member(t btf.Type, name string) (uint32, btf.Type, bool) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		switch {
		case m.Name == name:
			return m.Offset.Bytes(), m.Type, true
		case m.Name == "":
			if o, inner, ok := member(m.Type, name); ok {
				return m.Offset.Bytes() + o, inner, true
			}
		}
	}
	return 0, nil, false
}
