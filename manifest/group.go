package manifest

import "slices"

// GroupInfo is a group of permissions under which they are shown.
type GroupInfo struct {
	// ID is "syscalls/file", "capabilities", "network" and so on.
	ID string
	// Title is a heading of one to three words.
	Title string
	// Meaning is a sentence that says what programs with normal permissions
	// of the group can do.
	Meaning string
}

// Groups returns all groups in the order in which they are shown. The caller
// may change the result.
func Groups() []GroupInfo { return slices.Clone(groups[:]) }

// LookupGroup returns the group with the given ID.
func LookupGroup(id string) (GroupInfo, bool) {
	for _, g := range groups {
		if g.ID == id {
			return g, true
		}
	}
	return GroupInfo{}, false
}

// syscallGroup returns the group of a call.
func syscallGroup(info SyscallInfo) string { return "syscalls/" + info.Group }

var groups = [...]GroupInfo{
	{"network", "Network", "Reach other machines, and be reached by them, as listed."},
	{"mounts", "Outside folders", "See folders from outside the image, and change them where it says so."},
	{"devices", "Devices", "Use hardware of the machine."},
	{"capabilities", "Privileges", "Use a part of root's power, inside the container."},
	{"identity", "Users", "Be more than one user inside the container."},
	{"execute", "Programs", "Start programs that are in the image."},
	{"filesystem", "Files", "Read and change the image's own files, until the container ends."},
	{"resources", "Resources", "Use memory, processor and other means of the machine up to a bound."},
	{"syscalls/file", "System calls: files", "Ask the kernel to read, write and arrange files it can already reach."},
	{"syscalls/network", "System calls: network", "Ask the kernel to send and receive over connections it can already make."},
	{"syscalls/process", "System calls: processes", "Ask the kernel to start, order and end its own processes."},
	{"syscalls/memory", "System calls: memory", "Ask the kernel for memory and arrange its own."},
	{"syscalls/signal", "System calls: signals", "Send signals to its own processes and receive them."},
	{"syscalls/time", "System calls: time", "Read the clock, and wait."},
	{"syscalls/privileged", "System calls: administration", "Ask the kernel for what is meant for administrators."},
}
