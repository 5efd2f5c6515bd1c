// Package evidence defines the record of a watched run.
//
// A [Record] holds raw facts: which calls were made by which program, how
// often and how soon, which files were changed, which ports were used. It
// draws no conclusions; package analyzer does, and can do so again later on
// old records. The encoding is JSON; [Decode] takes nothing it does not know
// and bounds everything, for a record can come from elsewhere.
package evidence

import (
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// MediaType is the artifactType and media type of a record stored as an OCI
// artifact.
const MediaType = "application/vnd.lpm.evidence.v1+json"

// MaxDuration bounds a time of a record, in milliseconds: a year. The times of
// many runs can be added, and turned into a [time.Duration].
const MaxDuration = 366 * 24 * 60 * 60 * 1000

// Version is the format version that this package reads and writes.
const Version = 1

// Record is what was seen during one run of an image.
type Record struct {
	// Version is the format version, always 1.
	Version int   `json:"version"`
	Image   Image `json:"image"`
	// Architecture is the native one of the run: "amd64" or "arm64".
	Architecture string `json:"architecture"`
	// Kernel is the release that the run was on, such as "6.18.44".
	Kernel string `json:"kernel"`
	// Libc is the image's C library, such as "glibc 2.36", or empty where
	// it is not known.
	Libc string `json:"libc,omitempty"`
	// LPM is the version of lpm that recorded.
	LPM string `json:"lpm,omitempty"`
	// Recorder is what watched: "seccomp", which empty means too, or "ebpf",
	// which sees capability checks as the kernel makes them.
	Recorder string   `json:"recorder,omitempty"`
	Workload Workload `json:"workload"`
	// Started is when the program was executed.
	Started time.Time `json:"started"`
	// Duration is the length of the run in milliseconds, at most [MaxDuration].
	Duration int64 `json:"duration"`
	// Network is the network the run had.
	Network  manifest.NetworkMode `json:"network"`
	Identity Identity             `json:"identity"`

	// Lost counts the calls that may have taken effect without all their
	// facts being known. Nothing is proposed from a record with losses.
	Lost uint64 `json:"lost,omitempty"`
	// Cancelled counts the calls whose process was killed before they could
	// be let go: they had no effect.
	Cancelled uint64 `json:"cancelled,omitempty"`
	// Truncated counts, by the name of a list below, the facts that were
	// left out because the list was full.
	Truncated map[string]uint64 `json:"truncated,omitempty"`

	Calls        []Call       `json:"calls,omitempty"`
	Programs     []Program    `json:"programs,omitempty"`
	Libraries    []string     `json:"libraries,omitempty"`
	Files        []File       `json:"files,omitempty"`
	Reads        []Read       `json:"reads,omitempty"`
	Devices      []Device     `json:"devices,omitempty"`
	Connects     []Connect    `json:"connects,omitempty"`
	Binds        []Bind       `json:"binds,omitempty"`
	Names        []Name       `json:"names,omitempty"`
	IDs          []ID         `json:"ids,omitempty"`
	Capabilities []Capability `json:"capabilities,omitempty"`
	Signals      []Signal     `json:"signals,omitempty"`
	Limits       []Limit      `json:"limits,omitempty"`
	Peaks        Peaks        `json:"peaks"`
}

// Image is what ran.
type Image struct {
	// Reference is the name the image was asked for by.
	Reference string `json:"reference,omitempty"`
	// Digest is that of the platform's image manifest: "sha256:…".
	Digest string `json:"digest"`
}

// Workload is what the run consisted of.
type Workload struct {
	// Command is the program and its arguments, as started.
	Command []string `json:"command,omitempty"`
	// Exercise is the command that exercised it from the host's side.
	Exercise string `json:"exercise,omitempty"`
	// Healthcheck is what the image's health check came to; nil where none
	// was run.
	Healthcheck *Healthcheck `json:"healthcheck,omitempty"`
}

// Healthcheck is a health check that was run in the container meanwhile.
type Healthcheck struct {
	// Test is the program and its arguments, as started.
	Test []string `json:"test"`
	// Runs is how often it was run to its end, and Failed how often of these
	// it did not pass.
	Runs   uint64 `json:"runs"`
	Failed uint64 `json:"failed,omitempty"`
}

// Identity is who the program was, in ids of the container.
type Identity struct {
	Mode   manifest.IdentityMode `json:"mode"`
	UID    uint32                `json:"uid"`
	GID    uint32                `json:"gid"`
	Groups []uint32              `json:"groups,omitempty"`
}

// Seen says how often something happened, how soon and by whom.
type Seen struct {
	Count uint64 `json:"count"`
	// Check is how often of these it was the image's health check, or what
	// that started.
	Check uint64 `json:"check,omitempty"`
	// First is when it first happened, in milliseconds after the start, at most
	// [MaxDuration].
	First int64 `json:"first"`
	// Programs are the paths, inside the container, of the programs that
	// did it, sorted; at most [MaxPrograms].
	Programs []string `json:"programs,omitempty"`
}

// Call is one system call.
type Call struct {
	// Architecture is that of the call: "amd64", "arm64", or where a
	// process used another one "i386", "x32", "arm", "audit:0x…".
	Architecture string `json:"architecture"`
	Number       int    `json:"number"`
	// Name is the kernel's name, or empty where the recorder's table has
	// none for the number.
	Name string `json:"name,omitempty"`
	// Refused is the error that the recorder answered with instead of
	// letting the call go on, such as "ENOSYS", or empty.
	Refused string `json:"refused,omitempty"`
	// Values are the combinations of recorded arguments.
	Values []Values `json:"values,omitempty"`
	Seen
}

// Values is one combination of a call's recorded arguments.
type Values struct {
	Args []Arg `json:"args"`
	Seen
}

// Arg is the value of one plain argument.
type Arg struct {
	// Arg is the position, from 0 to 5.
	Arg   int    `json:"arg"`
	Value uint64 `json:"value"`
}

// Program is a program that was executed.
type Program struct {
	// Path is the program's path inside the container, free of symbolic
	// links.
	Path string `json:"path"`
	// As is the path it was asked for by where that is another one.
	As string `json:"as,omitempty"`
	// Interpreter is the resolved path of the program that a script's first
	// line names.
	Interpreter string `json:"interpreter,omitempty"`
	Seen
}

// Access is what was done to a file.
type Access string

// The accesses that change something. The path of MakeDir and of Below is a
// folder.
const (
	Write   Access = "write"  // opened for writing, or truncated
	Create  Access = "create" // file, link, socket or node made
	MakeDir Access = "mkdir"
	Remove  Access = "remove"
	Rename  Access = "rename" // either end
	// Metadata is owner, mode, times or attributes changed.
	Metadata Access = "metadata"
	// Below is any of these, to files below the folder that are not listed
	// one by one because there are too many.
	Below Access = "below"
)

// File is a path that was changed.
type File struct {
	// Path is free of symbolic links.
	Path string `json:"path"`
	// Access is sorted.
	Access []Access `json:"access"`
	Seen
}

// Read is a file or folder that was opened for reading.
type Read struct {
	// Path is free of symbolic links.
	Path string `json:"path"`
	// Below tells that files below the folder were, which are not listed one
	// by one because there are too many.
	Below bool `json:"below,omitempty"`
	Seen
}

// Device is a device node that was opened.
type Device struct {
	Path  string `json:"path"`
	Write bool   `json:"write,omitempty"`
	Seen
}

// Connect is a destination that was connected or sent to.
type Connect struct {
	// Family is "inet", "inet6" or "unix".
	Family string `json:"family"`
	// Address is an IP address, or a socket's path; an abstract one starts
	// with "@".
	Address  string `json:"address"`
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Seen
}

// Bind is a local address that a socket was bound to.
type Bind struct {
	// Family is "inet" or "inet6".
	Family  string `json:"family"`
	Address string `json:"address"`
	// Port is 0 where the kernel was to choose.
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	// Listening tells that listen(2) followed.
	Listening bool `json:"listening,omitempty"`
	Seen
}

// Name is a host name that a name server answered for.
type Name struct {
	// Name is what was asked for, in lower case and without the final dot.
	Name string `json:"name"`
	// Addresses are the IP addresses in the answers, sorted.
	Addresses []string `json:"addresses"`
	Seen
}

// ID is an id other than its own that a process switched to, or gave a file
// to.
type ID struct {
	// Kind is "uid", "gid" or "group" (supplementary) of the process, or
	// "owner" or "ownergroup" of a file.
	Kind string `json:"kind"`
	ID   uint32 `json:"id"`
	Seen
}

// Capability is a check that the kernel passes only with the capability.
type Capability struct {
	Name string `json:"name"`
	// Example says what it was first needed for.
	Example string `json:"example,omitempty"`
	Seen
}

// Target is whom a signal was sent to, seen from the sender.
type Target string

// The targets, nearest first.
const (
	OwnGroup   Target = "group"   // another process of its group, or all of it
	OtherGroup Target = "foreign" // a process of another group, or all of one
	Everyone   Target = "all"     // kill(-1)
)

// Signal is a signal that a process sent to others.
type Signal struct {
	// Number is that of the kernel, from 0, which only asks, to 64.
	Number int    `json:"number"`
	To     Target `json:"to"`
	// Call is the system call that sent it, or empty where a record of an older
	// lpm has kill, tgkill and their like together.
	Call string `json:"call,omitempty"`
	Seen
}

// Limit is a resource limit that a program set for itself.
type Limit struct {
	// Resource is "nofile".
	Resource string `json:"resource"`
	// Value is the highest that was asked for.
	Value uint64 `json:"value"`
	Seen
}

// Peaks are the highest sums over all processes of the container.
type Peaks struct {
	// Memory is proportional set size, in bytes.
	Memory int64 `json:"memory"`
	// Written is what the writable root held, in bytes.
	Written int64 `json:"written"`
	// Shared is what /dev/shm held, in bytes.
	Shared int64 `json:"shared,omitempty"`
	// PIDs is processes and threads.
	PIDs int64 `json:"pids"`
	// MilliCPU is processor time between two samples, in thousandths of
	// one processor.
	MilliCPU int64 `json:"milliCPU"`
}
