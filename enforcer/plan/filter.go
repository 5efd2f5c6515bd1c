package plan

// Action is what a seccomp filter does with a call.
type Action string

// The actions. Of several filters' actions the kernel takes the first of this
// list: kill, errno, notify, allow.
const (
	ActionKill   Action = "kill"   // SECCOMP_RET_KILL_PROCESS
	ActionEPERM  Action = "EPERM"  // SECCOMP_RET_ERRNO
	ActionENOSYS Action = "ENOSYS" // SECCOMP_RET_ERRNO
	ActionNotify Action = "notify" // SECCOMP_RET_USER_NOTIF
	ActionAllow  Action = "allow"  // SECCOMP_RET_ALLOW
)

// Filter is a seccomp filter before it is compiled. Calls of any other
// architecture, x32 and i386 among them, kill the process.
type Filter struct {
	// Architecture is the native one: "amd64" or "arm64".
	Architecture string `json:"architecture"`
	// Default applies to every call that no rule matches.
	Default Action `json:"default"`
	// Rules are sorted by number. Several rules for one call are
	// alternatives; those that have different actions exclude each other.
	Rules []Rule `json:"rules"`
}

// Rule applies an action to one call.
type Rule struct {
	Syscall string `json:"syscall"`
	Number  int    `json:"number"`
	Action  Action `json:"action"`
	// When are comparisons that must all hold, at most one an argument.
	When []Compare `json:"when,omitempty"`
}

// Compare holds when argument Arg, with Mask applied, equals Value.
type Compare struct {
	Arg   int    `json:"arg"`
	Mask  uint64 `json:"mask"`
	Value uint64 `json:"value"`
}
