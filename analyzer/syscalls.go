package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// proposedCall is a call on its way into the manifest.
type proposedCall struct {
	info manifest.SyscallInfo
	// values are the recorded combinations of arguments.
	values []merged[evidence.Values]
	why    Explanation
}

// syscalls proposes the system calls: those observed, the baseline, and the
// variants that the image's code can make.
func (p *proposer) syscalls() error {
	p.manifest.Syscalls.Architecture = p.arch
	p.manifest.Syscalls.Kernel = p.kernel()
	calls, err := p.observedCalls()
	if err != nil {
		return err
	}
	always := func(names []string, why string) {
		for _, name := range names {
			if _, seen := calls[name]; !seen {
				info, _ := manifest.LookupSyscall(p.arch, name)
				calls[name] = proposedCall{info: info, why: Explanation{Basis: Always, Text: why}}
			}
		}
	}
	always(Baseline(p.arch), "needed by every program")
	p.addHot(calls)
	p.addVariants(calls)
	p.addReachable(calls)
	always(rare[:], "made by abort(3), and by the runtime of Go")

	sorted := slices.SortedFunc(values(calls), func(a, b proposedCall) int {
		return cmp.Compare(a.info.Name, b.info.Name)
	})
	for _, c := range sorted {
		p.allow(c)
	}
	return nil
}

// kernel returns the oldest release that a record is of, as major.minor: what
// came later has not been tried. Later than the tables go nothing is known.
func (p *proposer) kernel() string {
	oldest := manifest.KnownKernel
	for _, r := range p.records {
		if older(r.Kernel, oldest) {
			oldest = r.Kernel
		}
	}
	major, minor := release(oldest)
	return fmt.Sprintf("%d.%d", major, minor)
}

// older reports whether release a came before b.
func older(a, b string) bool {
	majorA, minorA := release(a)
	majorB, minorB := release(b)
	return cmp.Or(cmp.Compare(majorA, majorB), cmp.Compare(minorA, minorB)) < 0
}

// release reads "6.18.44-generic" as 6, 18.
func release(text string) (major, minor int) {
	number := func(s string) int {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			s = s[:end]
		}
		n, _ := strconv.Atoi(s)
		return n
	}
	first, rest, _ := strings.Cut(text, ".")
	return number(first), number(rest)
}

// observedCalls merges the calls of all records and leaves out those that
// never had an effect.
func (p *proposer) observedCalls() (map[string]proposedCall, error) {
	calls := map[string]proposedCall{}
	for run, r := range p.records {
		for _, c := range r.Calls {
			if c.Architecture != p.arch {
				return nil, &ForeignCallError{run + 1, c.Architecture, p.arch, c.Number, c.Programs}
			}
			info, known := manifest.SyscallByNumber(p.arch, c.Number)
			if !known || info.Name != c.Name {
				return nil, &UnknownCallError{run + 1, p.arch, c.Number, c.Name, c.Programs}
			}
			if p.withoutEffect(run, r, c, info) {
				continue
			}
			merged := calls[info.Name]
			if merged.info.Name == "" {
				merged = proposedCall{info: info, why: Explanation{Basis: Observed}}
			}
			merged.why = both(merged.why, observed(run, c.Seen))
			merged.why.Text = "used" + p.by(merged.why.Programs)
			calls[info.Name] = merged
		}
	}
	for name, to := range p.signals() {
		if c, seen := calls[name]; seen {
			c.why.Text += ": " + few(to)
			calls[name] = c
		}
	}
	for name, c := range calls {
		c.values = gather(p.records,
			func(r *evidence.Record) []evidence.Values {
				for _, c := range r.Calls {
					if c.Name == name && c.Refused == "" {
						return c.Values
					}
				}
				return nil
			},
			func(v evidence.Values) string { return fmt.Sprint(v.Args) },
			func(v evidence.Values) evidence.Seen { return v.Seen }, nil)
		calls[name] = c
	}
	return calls, nil
}

// signals names, by the calls that sent them, the signals that were sent past the
// sender's own process group, which is what a terminal signals as one.
func (p *proposer) signals() map[string][]string {
	names := map[string][]string{}
	for _, s := range gather(p.records,
		func(r *evidence.Record) []evidence.Signal { return r.Signals },
		func(s evidence.Signal) string { return fmt.Sprintf("%2d %s %s", s.Number, s.To, s.Call) },
		func(s evidence.Signal) evidence.Seen { return s.Seen }, nil) {
		name := cmp.Or(unix.SignalName(unix.Signal(s.fact.Number)), fmt.Sprintf("signal %d", s.fact.Number))
		call := cmp.Or(s.fact.Call, "kill")
		switch s.fact.To {
		case evidence.OtherGroup:
			names[call] = append(names[call], name+" to another process group")
		case evidence.Everyone:
			names[call] = append(names[call], name+" to all processes")
		}
	}
	return names
}

// withoutEffect reports whether a call was tried but did nothing, so that a
// refusal is what the program has seen while recording too.
func (p *proposer) withoutEffect(run int, r *evidence.Record, c evidence.Call, info manifest.SyscallInfo) bool {
	switch {
	case c.Refused != "":
		// Of clone3 nothing needs to be said: C libraries fall back on clone.
		if info.Name != "clone3" {
			p.warn("%s was tried%s and refused while recording, for what it does cannot be watched; it is not in the proposal", info.Name, p.by(c.Programs))
		}
		return true
	case info.Since != "" && older(r.Kernel, info.Since):
		p.warn("%s was tried%s, but run %d was on Linux %s, which does not have it; it is not in the proposal", info.Name, p.by(c.Programs), run+1, r.Kernel)
		return true
	case privileged(info.Name) != "":
		p.warn("%s was tried%s, but it takes %s, which no recording has; it is not in the proposal", info.Name, p.by(c.Programs), privileged(info.Name))
		return true
	}
	return false
}

// privileged returns the capability without which a call always fails,
// whatever its arguments, of those that a recorded container does not have.
func privileged(name string) string {
	switch name {
	case "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "fspick", "mount_setattr",
		"sethostname", "setdomainname", "swapon", "swapoff", "quotactl", "quotactl_fd", "lookup_dcookie":
		return "CAP_SYS_ADMIN"
	case "init_module", "finit_module", "delete_module":
		return "CAP_SYS_MODULE"
	case "kexec_load", "kexec_file_load", "reboot":
		return "CAP_SYS_BOOT"
	case "settimeofday", "clock_settime":
		return "CAP_SYS_TIME"
	case "iopl", "ioperm":
		return "CAP_SYS_RAWIO"
	case "acct":
		return "CAP_SYS_PACCT"
	case "vhangup":
		return "CAP_SYS_TTY_CONFIG"
	case "open_by_handle_at":
		return "CAP_DAC_READ_SEARCH"
	}
	return ""
}

// addVariants adds the other forms of observed calls that the image's code
// can make. Forms of the baseline's calls come with them.
func (p *proposer) addVariants(calls map[string]proposedCall) {
	if clone3, seen := calls["clone3"]; seen {
		// A filter cannot see clone3's flags, so it is answered with ENOSYS
		// and the libc makes clone.
		delete(calls, "clone3")
		if _, seen := calls["clone"]; !seen {
			if info, ok := manifest.LookupSyscall(p.arch, "clone"); ok {
				why := clone3.why
				why.Basis, why.Text = Variant, "what clone3, used"+p.by(why.Programs)+", becomes where its flags must be checked"
				calls["clone"] = proposedCall{info: info, why: why}
			}
		}
	}
	present := slices.Sorted(keys(calls))
	for _, name := range present {
		for _, other := range variantsOf(name) {
			how, reachable := p.facts.Reachable[other]
			reachable = reachable && p.facts.Asked[other]
			info, exists := manifest.LookupSyscall(p.arch, other)
			if _, have := calls[other]; have || !reachable || !exists {
				continue
			}
			calls[other] = proposedCall{info: info, why: Explanation{
				Basis: Variant, Text: fmt.Sprintf("variant of %s (%s)", name, how),
			}}
		}
	}
}

// addHot adds the calls that no recording watches and that the image's code
// can make, or may be able to: of code that could not be read nothing is known.
func (p *proposer) addHot(calls map[string]proposedCall) {
	names := append(existing(p.arch, hot[:]), existing(p.arch, starting[:])...)
	for _, v := range hotVariants() {
		if !slices.Contains(rare[:], v.Name) {
			names = append(names, v.Name)
		}
	}
	for _, name := range names {
		if _, seen := calls[name]; seen { // a record of before it was hot
			continue
		}
		info, _ := manifest.LookupSyscall(p.arch, name)
		how, reachable := p.facts.Reachable[name]
		switch {
		case reachable:
			how = "not watched; " + how
		case len(p.facts.Unknown) > 0 || p.facts.Reachable == nil || len(p.facts.Sites) > 0 && slices.Contains(starting[:], name):
			how = "not watched; what code can make it is unknown"
		default:
			continue
		}
		calls[name] = proposedCall{info: info, why: Explanation{Basis: Unseen, Text: how}}
	}
}

// allow appends a call's entries to the manifest.
func (p *proposer) allow(c proposedCall) {
	for _, e := range p.conditions(c) {
		e.why.Reach = p.facts.reach(c.info.Name)
		allow := &p.manifest.Syscalls.Allow
		note := p.explain("syscalls.allow", len(*allow), e.why)
		*allow = append(*allow, manifest.Syscall{Name: c.info.Name, When: e.when, Note: note})
	}
}
