// Package manifest defines the permissions a container image asks for.
//
// A [Manifest] is data: it names what is allowed, never how it is enforced.
// The package is pure. It touches no kernel, no network, starts no program,
// and imports nothing that does, so that a reviewer's tool, a registry's
// scanner or a test can use it anywhere.
//
// The one definition of the format is the CUE schema in package schema; the
// types here are tested against it field by field.
package manifest

// MediaType is both the artifactType and the config media type of a manifest
// stored as an OCI artifact, and the media type of its single layer.
const MediaType = "application/vnd.lpm.permissions.v1+json"

// Version is the format version that this package reads and writes.
const Version = 1

// Manifest is the whole list of permissions. The zero value of every section
// grants nothing.
type Manifest struct {
	// Version is the format version, always 1.
	Version int `json:"version"`

	Syscalls     Syscalls     `json:"syscalls"`
	Capabilities []Capability `json:"capabilities,omitempty"`
	Identity     Identity     `json:"identity"`
	Execute      []Program    `json:"execute,omitempty"`
	Filesystem   Filesystem   `json:"filesystem"`
	Mounts       []Mount      `json:"mounts,omitempty"`
	Devices      []Device     `json:"devices,omitempty"`
	Network      Network      `json:"network"`
	Resources    Resources    `json:"resources"`
}

// Note is what a person may say of any permission.
type Note struct {
	// Reason says in one line why the permission is needed.
	Reason string `json:"reason,omitempty"`
	// Optional permissions may be denied by the reviewer one by one; the
	// program is expected to work, with less function, without them.
	Optional bool `json:"optional,omitempty"`
}

// Syscalls is the system calls the container's processes may make.
type Syscalls struct {
	// Architecture is the one native architecture ("amd64" or "arm64").
	// Calls of any other architecture kill the process.
	Architecture string `json:"architecture"`
	// Kernel is the newest kernel release, as "6.18", whose calls the author
	// of the manifest knew. A refused call that came with a later release is
	// answered with ENOSYS, as on a kernel without it; any other with EPERM.
	Kernel string `json:"kernel"`
	// Allow lists the calls. One name may appear several times with
	// different conditions; the call is allowed when any one entry matches.
	Allow []Syscall `json:"allow,omitempty"`
}

// Syscall allows one system call, under conditions on its plain arguments.
type Syscall struct {
	// Name is the kernel's name of the call on the native architecture.
	Name string `json:"name"`
	// When are conditions that must all hold. None means any arguments.
	When []Condition `json:"when,omitempty"`
	Note
}

// Condition holds when (argument & Mask) equals one of OneOf. Arguments that
// are pointers cannot be decided by the kernel's filter, so conditions are
// for numbers only: socket family, ioctl command, clone flags, prctl option.
type Condition struct {
	// Arg is the argument's position, from 0 to 5.
	Arg int `json:"arg"`
	// Mask selects bits before comparing: a number such as "0xf", or symbols
	// joined by "|". Empty selects the bits that the kernel looks at: the
	// low 32 of an argument known to be an int, otherwise all of them.
	Mask string `json:"mask,omitempty"`
	// OneOf lists values: a number ("0x5401", "1"), a symbol that [Symbol]
	// knows for the call's argument ("AF_INET"), or symbols joined by "|".
	OneOf []string `json:"oneOf"`
}

// Capability names one Linux capability of the container's bounding set.
type Capability struct {
	// Name is the kernel's name, such as "CAP_NET_BIND_SERVICE".
	Name string `json:"name"`
	Note
}

// IdentityMode says how many user ids exist inside the container.
type IdentityMode string

const (
	// IdentitySingle maps the image's user to the caller's own id. Every
	// other id is absent, so a program cannot change its user.
	IdentitySingle IdentityMode = "single"
	// IdentityRange maps the ids 0 to 65535 to the caller's subordinate
	// range, so that programs can switch users and files have owners.
	IdentityRange IdentityMode = "range"
)

// Identity is the user ids that exist inside the container.
type Identity struct {
	Mode IdentityMode `json:"mode"`
	Note
}

// AnyProgram as a [Program]'s path lets the container start any program.
const AnyProgram = "*"

// Program is a program of the image that the container may start. Its ELF
// loader or the interpreter its first line names follow from it.
type Program struct {
	// Path is an absolute, clean path inside the image, or [AnyProgram].
	Path string `json:"path"`
	Note
}

// Filesystem is access to the image's own tree, which is read-only but for
// the writable paths.
type Filesystem struct {
	// Readable, when not empty, narrows reading to these paths (and those of
	// the other sections). Empty means that the whole image can be read.
	Readable []ReadablePath `json:"readable,omitempty"`
	// Writable paths keep the image's content and lose every change when the
	// container ends. Nothing in them can be executed.
	Writable []WritablePath `json:"writable,omitempty"`
}

// ReadablePath is a file, or a folder with all below it, that may be read.
type ReadablePath struct {
	Path string `json:"path"`
	Note
}

// WritablePath is a folder with all below it that may be written.
type WritablePath struct {
	Path string `json:"path"`
	// Size bounds what can be written, in bytes; see [DefaultWritableSize].
	Size int64 `json:"size,omitempty"`
	Note
}

// DefaultWritableSize is the bound, in bytes, of a writable path without one.
const DefaultWritableSize = 64 << 20

// Mount is a folder from outside the image that the container sees. Exactly
// one of Volume and Host is set.
type Mount struct {
	// Path is where the mount appears inside the container.
	Path string `json:"path"`
	// Volume is the name of storage that lpm keeps for this image's
	// repository and that outlives the container.
	Volume string `json:"volume,omitempty"`
	// Host is an absolute path of the host.
	Host string `json:"host,omitempty"`
	// Write allows changes; without it the mount is read-only.
	Write bool `json:"write,omitempty"`
	Note
}

// Device is a device node of the host beyond the six that every container
// has (null, zero, full, random, urandom, tty). "/dev/ptmx" is none of the
// host's: it gives the container pseudo-terminals of its own.
type Device struct {
	// Path is the node's path below /dev on the host and in the container.
	Path string `json:"path"`
	Note
}

// NetworkMode says which network the container is in.
type NetworkMode string

const (
	// NetworkNone is a network of its own with nothing but loopback.
	NetworkNone NetworkMode = "none"
	// NetworkPrivate is a network of its own that reaches what Egress names
	// and is reached at what Listen names.
	NetworkPrivate NetworkMode = "private"
	// NetworkHost is the host's own network, where only TCP ports can be
	// held to the manifest; addresses cannot.
	NetworkHost NetworkMode = "host"
)

// Network is what the container can reach and be reached at.
type Network struct {
	Mode   NetworkMode `json:"mode"`
	Egress []Egress    `json:"egress,omitempty"`
	Listen []Listen    `json:"listen,omitempty"`
	Note
}

// Protocol is a protocol above IP.
type Protocol string

// The protocols a network permission can name.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
	// ICMP is echo requests, of IPv4 and IPv6, and the answers to them. It has
	// no ports, and only an [Egress] of a private network can name it.
	ICMP Protocol = "icmp"
)

// Egress is a destination that may be connected to. In private mode exactly
// one of Host and CIDR is set; in host mode neither can be, for neither could
// be enforced.
type Egress struct {
	// Host is a host name, or "*.example.com" for the names below one.
	Host string `json:"host,omitempty"`
	// CIDR is an address block such as "192.0.2.0/24" or "2001:db8::/32".
	CIDR string `json:"cidr,omitempty"`
	// Ports is empty for [ICMP] and for nothing else.
	Ports    []PortRange `json:"ports,omitempty"`
	Protocol Protocol    `json:"protocol"`
	Note
}

// Listen is a port that may be bound.
type Listen struct {
	// Port is from 1 to 65535.
	Port     uint16   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Publish asks that the port can be reached from outside the container.
	// It has no effect in host mode, where every bound port can be.
	Publish bool `json:"publish,omitempty"`
	Note
}

// Resources are bounds on what the container can use. Zero is no bound.
type Resources struct {
	// Memory bounds memory and swap together, in bytes.
	Memory int64 `json:"memory,omitempty"`
	// PIDs bounds the number of processes and threads.
	PIDs int64 `json:"pids,omitempty"`
	// MilliCPU bounds processor time, in thousandths of one processor.
	MilliCPU int64 `json:"milliCPU,omitempty"`
	// IOWeight is the share of a busy disk's time, beside the usual weight of
	// 100. It says nothing of a disk that nobody else wants. A manifest is a
	// list of bounds, so that more than the usual cannot be asked for.
	IOWeight int64 `json:"ioWeight,omitempty"`
	// OpenFiles bounds the descriptors of each process (RLIMIT_NOFILE).
	OpenFiles int64 `json:"openFiles,omitempty"`
	// FileSize bounds each written file, in bytes (RLIMIT_FSIZE).
	FileSize int64 `json:"fileSize,omitempty"`
}
