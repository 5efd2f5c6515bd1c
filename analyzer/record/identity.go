package record

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/plan"
	"golang.org/x/sys/unix"
)

// noteIdentity notes ids that a process takes, processes of others that it
// signals, and the few calls that take a capability whatever they name.
func (r *Recorder) noteIdentity(c call) error {
	a := c.args
	switch c.name {
	case "setuid", "setfsuid":
		return r.noteIDs(c, "uid", a[:1])
	case "setreuid":
		return r.noteIDs(c, "uid", a[:2])
	case "setresuid":
		return r.noteIDs(c, "uid", a[:3])
	case "setgid", "setfsgid":
		return r.noteIDs(c, "gid", a[:1])
	case "setregid":
		return r.noteIDs(c, "gid", a[:2])
	case "setresgid":
		return r.noteIDs(c, "gid", a[:3])
	case "setgroups":
		return r.noteGroups(c)
	case "kill", "tkill", "rt_sigqueueinfo", "tgkill", "rt_tgsigqueueinfo", "pidfd_send_signal":
		return r.noteSignal(c)
	case "chroot":
		if err := r.needsIf(c, unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "chroot"); err != nil {
			return err
		}
	case "prctl":
		if a[0] == unix.PR_CAPBSET_DROP || a[0] == unix.PR_SET_SECUREBITS {
			return r.needsIf(c, unix.CAP_SETPCAP, "CAP_SETPCAP", "giving up capabilities for good")
		}
	}
	return nil
}

// noteIDs notes the ids that are none of the process's own. To those it may
// switch back without a capability.
func (r *Recorder) noteIDs(c call, kind string, ids []uint64) error {
	cred, err := r.credentials(c)
	if err != nil {
		return err
	}
	current, maps := cred.uids, r.options.Identity.UIDs
	bit, capability := unix.CAP_SETUID, "CAP_SETUID"
	if kind == "gid" {
		current, maps = cred.gids, r.options.Identity.GIDs
		bit, capability = unix.CAP_SETGID, "CAP_SETGID"
	}
	for _, id := range ids {
		id := uint32(id)
		// -1 keeps the id as it is.
		if id == ^uint32(0) || slices.Contains(current[:], hostID(maps, id)) {
			continue
		}
		r.noteID(kind, id, r.at(c))
		if cred.has(bit) {
			r.needs(c, capability, fmt.Sprintf("%s to %d", c.name, id))
		}
	}
	return nil
}

func (r *Recorder) noteID(kind string, id uint32, o occasion) {
	f := entry(&r.facts, r.facts.ids, "ids", maxOthers, idKey{kind, id}, evidence.ID{Kind: kind, ID: id})
	r.facts.see(&f.Seen, o)
}

// noteGroups notes supplementary groups. Setting them takes CAP_SETGID even
// where they stay the same (kernel/groups.c, may_setgroups).
func (r *Recorder) noteGroups(c call) error {
	const most = 65536 // NGROUPS_MAX; beyond, the kernel refuses
	if n := int(int32(c.args[0])); n > 0 && n <= most {
		cred, err := r.credentials(c)
		if err != nil {
			return err
		}
		list, err := c.Bytes(c.args[1], 4*n)
		if err != nil {
			return err
		}
		for ; len(list) > 0; list = list[4:] {
			id := binary.NativeEndian.Uint32(list)
			if host, ok := lookupHost(r.options.Identity.GIDs, id); !ok || !cred.inGroup(host) {
				r.noteID("group", id, r.at(c))
			}
		}
	}
	return r.needsIf(c, unix.CAP_SETGID, "CAP_SETGID", "setgroups")
}

func lookupHost(maps []plan.IDMap, id uint32) (uint32, bool) {
	host := hostID(maps, id)
	return host, host != ^uint32(0)
}

// noteLimit notes how many open files a program wants to be allowed.
func (r *Recorder) noteLimit(c call) error {
	resource, addr := c.args[0], c.args[1]
	if c.name == "prlimit64" {
		resource, addr = c.args[1], c.args[2]
	}
	if uint32(resource) != unix.RLIMIT_NOFILE || addr == 0 {
		return nil
	}
	b, err := c.Bytes(addr, 16) // struct rlimit64: soft, hard
	if err != nil {
		return err
	}
	l := entry(&r.facts, r.facts.limits, "limits", maxOthers, "nofile", evidence.Limit{Resource: "nofile"})
	l.Value = max(l.Value, binary.NativeEndian.Uint64(b))
	r.facts.see(&l.Seen, r.at(c))
	return nil
}
