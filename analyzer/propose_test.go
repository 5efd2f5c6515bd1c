package analyzer

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

var update = flag.Bool("update", false, "rewrite the expected proposals")

// record returns one of a run that did nothing, changed as given.
func record(changes ...func(*evidence.Record)) *evidence.Record {
	r := &evidence.Record{
		Version:      evidence.Version,
		Image:        evidence.Image{Reference: "nginx:latest", Digest: "sha256:" + strings.Repeat("5e", 32)},
		Architecture: "amd64", Kernel: "6.18.44", Libc: "glibc 2.36",
		Workload: evidence.Workload{Command: []string{"nginx", "-g", "daemon off;"}, Exercise: "wrk http://127.0.0.1:8080/"},
		Started:  time.Date(2025, 11, 23, 10, 0, 0, 0, time.UTC), Duration: 30_500,
		Network: manifest.NetworkHost, Identity: evidence.Identity{Mode: manifest.IdentityRange},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

func seen(count uint64, first int64, programs ...string) evidence.Seen {
	return evidence.Seen{Count: count, First: first, Programs: programs}
}

var once = seen(1, 5, "/usr/sbin/nginx")

// calls adds calls by name. "socket(2,1)" has recorded arguments.
func calls(names ...string) func(*evidence.Record) {
	return func(r *evidence.Record) {
		for _, name := range names {
			name, args, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
			info, ok := manifest.LookupSyscall(r.Architecture, name)
			if !ok {
				panic("no system call " + name)
			}
			at := slices.IndexFunc(r.Calls, func(c evidence.Call) bool { return c.Name == name })
			if at < 0 {
				at = len(r.Calls)
				r.Calls = append(r.Calls, evidence.Call{Architecture: r.Architecture, Number: info.Number, Name: name, Seen: once})
			}
			if args == "" {
				continue
			}
			v := evidence.Values{Seen: once}
			for i, text := range strings.Split(args, ",") {
				var n uint64
				if _, err := fmt.Sscan(text, &n); err != nil {
					panic(err)
				}
				v.Args = append(v.Args, evidence.Arg{Arg: manifest.RecordedArgs(name)[i].Arg, Value: n})
			}
			r.Calls[at].Values = append(r.Calls[at].Values, v)
		}
	}
}

func files(access evidence.Access, names ...string) func(*evidence.Record) {
	return func(r *evidence.Record) {
		for _, n := range names {
			r.Files = append(r.Files, evidence.File{Path: n, Access: []evidence.Access{access}, Seen: once})
		}
	}
}

func capabilities(names ...string) func(*evidence.Record) {
	return func(r *evidence.Record) {
		for _, n := range names {
			r.Capabilities = append(r.Capabilities, evidence.Capability{Name: n, Example: "example", Seen: once})
		}
	}
}

func propose(t *testing.T, facts ImageFacts, records ...*evidence.Record) *Proposal {
	t.Helper()
	p, err := Propose(records, facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, permission := range p.Manifest.Permissions() {
		if _, ok := p.Why[permission.ID]; !ok && permission.Path != "" {
			t.Errorf("%s (%s) is not explained", permission.ID, permission.Path)
		}
	}
	return p
}

// ids returns the proposed permissions of some kinds, sorted as in the
// manifest, without the baseline.
func ids(p *Proposal, kinds ...string) []string {
	var list []string
	for _, permission := range p.Manifest.Permissions() {
		kind, _, _ := strings.Cut(permission.ID, ":")
		if slices.Contains(kinds, kind) && p.Why[permission.ID].Basis != Always {
			list = append(list, permission.ID)
		}
	}
	slices.Sort(list)
	return list
}

func warned(p *Proposal, text string) bool {
	return slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

// nginx is a whole record, as of a web server.
func nginx() *evidence.Record {
	const master = "/usr/sbin/nginx"
	return record(
		calls("openat", "newfstatat", "pread64", "socket(2,1)", "socket(10,1)", "socket(1,1)", "bind", "listen", "accept4",
			"recvfrom", "sendfile", "writev", "setuid", "setgid", "setgroups", "rt_sigaction", "wait4", "kill",
			"clone(0)", "ioctl(21537)", "ioctl(21586)", "prctl(4)", "io_uring_setup", "clone3", "prlimit64", "chown"),
		files(evidence.Create, "/run/nginx.pid", "/var/lib/nginx/body/1", "/var/lib/nginx/proxy/2"),
		files(evidence.Write, "/var/log/nginx/access.log", "/var/log/nginx/error.log"),
		capabilities("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_KILL"),
		func(r *evidence.Record) {
			for i := range r.Calls {
				if n := r.Calls[i].Name; n == "io_uring_setup" || n == "clone3" {
					r.Calls[i].Refused = "ENOSYS"
				}
			}
			r.Programs = []evidence.Program{
				{Path: "/docker-entrypoint.sh", Interpreter: "/usr/bin/dash", Seen: seen(1, 0)},
				{Path: master, Seen: seen(1, 9, "/usr/bin/dash")},
				{Path: "/usr/bin/find", As: "/bin/find", Seen: seen(2, 4, "/usr/bin/dash")},
			}
			r.Devices = []evidence.Device{
				{Path: "/dev/null", Write: true, Seen: once}, {Path: "/dev/dri/card0", Write: true, Seen: once},
			}
			r.Binds = []evidence.Bind{
				{Family: "inet", Address: "0.0.0.0", Port: 8080, Protocol: "tcp", Listening: true, Seen: seen(1, 12, master)},
				{Family: "inet6", Address: "::", Port: 8080, Protocol: "tcp", Listening: true, Seen: seen(1, 13, master)},
			}
			r.Connects = []evidence.Connect{
				{Family: "inet", Address: "192.0.2.7", Port: 443, Protocol: "tcp", Seen: seen(40, 900, master)},
				{Family: "inet", Address: "192.0.2.53", Port: 53, Protocol: "udp", Seen: seen(3, 850, master)},
				{Family: "unix", Address: "/run/nscd/socket", Seen: once},
			}
			r.Names = []evidence.Name{{Name: "api.example.com", Addresses: []string{"192.0.2.7"}, Seen: seen(2, 890, master)}}
			r.IDs = []evidence.ID{{Kind: "uid", ID: 33, Seen: seen(2, 20, master)}, {Kind: "gid", ID: 33, Seen: seen(2, 19, master)}}
			r.Signals = []evidence.Signal{
				{Number: 15, To: evidence.OtherGroup, Seen: once}, {Number: 10, To: evidence.OwnGroup, Seen: once},
			}
			r.Limits = []evidence.Limit{{Resource: "nofile", Value: 4096, Seen: once}}
			r.Peaks = evidence.Peaks{Memory: 24_500_000, Written: 200_000, PIDs: 3, MilliCPU: 900}
		},
	)
}

func TestGolden(t *testing.T) {
	again := nginx()
	again.Calls = append(again.Calls[:2:2], again.Calls[3:]...)
	for _, test := range []struct {
		name    string
		records []*evidence.Record
		facts   ImageFacts
	}{
		{"nothing", []*evidence.Record{record()}, ImageFacts{}},
		{"nginx", []*evidence.Record{nginx()}, ImageFacts{
			Volumes: []string{"/var/lib/nginx/cache"},
			Reachable: map[string]string{
				"pwrite64": "pwrite64 imported by /usr/sbin/nginx", "ppoll": "ppoll imported by /usr/sbin/nginx",
				"stat": "stat imported by /usr/sbin/nginx", "fstat": "fstat imported by /usr/sbin/nginx",
			},
			Asked: map[string]bool{"pwrite64": true, "ppoll": true, "stat": true, "fstat": true},
		}},
		{"nginx-twice", []*evidence.Record{nginx(), again}, ImageFacts{Unknown: []string{"/usr/bin/find"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, test.facts, test.records...)
			got := p.CUE()
			golden := filepath.Join("testdata", test.name+".cue")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("proposed\n%s\nwant\n%s", got, want)
			}
			if again := propose(t, test.facts, test.records...).CUE(); string(again) != string(got) {
				t.Error("another proposal from the same records differs")
			}
		})
	}
}

func TestProposeRefuses(t *testing.T) {
	var loss *LossError
	var conflict *ConflictError
	var foreign *ForeignCallError
	var unknown *UnknownCallError
	for _, test := range []struct {
		name    string
		records []*evidence.Record
		as      func(error) bool
	}{
		{"no records", nil, func(err error) bool { return errors.Is(err, ErrNoRecords) }},
		{"a record with losses", []*evidence.Record{record(), record(func(r *evidence.Record) { r.Lost = 1 })},
			func(err error) bool { return errors.As(err, &loss) && loss.Run == 2 }},
		{"two images", []*evidence.Record{record(), record(func(r *evidence.Record) { r.Image.Digest = "sha256:" + strings.Repeat("0", 64) })},
			func(err error) bool { return errors.As(err, &conflict) && conflict.What == "image" }},
		{"two architectures", []*evidence.Record{record(), record(func(r *evidence.Record) { r.Architecture = "arm64" })},
			func(err error) bool { return errors.As(err, &conflict) && conflict.What == "architecture" }},
		{"two C libraries", []*evidence.Record{record(func(r *evidence.Record) { r.Libc = "" }), record(), record(func(r *evidence.Record) { r.Libc = "musl 1.2" })},
			func(err error) bool { return errors.As(err, &conflict) && conflict.Run == 3 && conflict.Other == 2 }},
		{"a call of another architecture", []*evidence.Record{record(func(r *evidence.Record) {
			r.Calls = []evidence.Call{{Architecture: "i386", Number: 4, Seen: once}}
		})}, func(err error) bool { return errors.As(err, &foreign) && foreign.Architecture == "i386" }},
		{"a number that no table has", []*evidence.Record{record(func(r *evidence.Record) {
			r.Calls = []evidence.Call{{Architecture: "amd64", Number: 9999, Seen: once}}
		})}, func(err error) bool { return errors.As(err, &unknown) && unknown.Number == 9999 }},
		{"a name that is not the number's", []*evidence.Record{record(func(r *evidence.Record) {
			r.Calls = []evidence.Call{{Architecture: "amd64", Number: 0, Name: "getpid", Seen: once}}
		})}, func(err error) bool { return errors.As(err, &unknown) }},
		{"a record that is not valid", []*evidence.Record{record(func(r *evidence.Record) { r.Version = 7 })},
			func(err error) bool { return errors.Is(err, evidence.ErrFormat) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Propose(test.records, ImageFacts{}); !test.as(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestBaseline(t *testing.T) {
	for arch, missing := range map[string]string{"amd64": "", "arm64": "epoll_wait"} {
		var names []string
		for _, s := range Unwatched(arch) {
			names = append(names, s.Name)
			for _, c := range s.When {
				if _, _, err := c.Resolve(arch, s.Name); err != nil {
					t.Errorf("%s: %s: %v", arch, s.Name, err)
				}
			}
		}
		if slices.Contains(names, missing) || !slices.Contains(names, "rt_sigreturn") {
			t.Errorf("%s: %v", arch, names)
		}
		for _, n := range names {
			if info, _ := manifest.LookupSyscall(arch, n); info.Level != manifest.Normal || manifest.RecordedArgs(n) != nil {
				t.Errorf("%s: %s is %v: only harmless calls go unwatched", arch, n, info.Level)
			}
		}
	}
	for _, n := range slices.Concat(baseline[:], hot[:], starting[:]) {
		if _, ok := manifest.LookupSyscall("amd64", n); !ok {
			t.Errorf("no system call %q", n)
		}
	}
}

func TestVariantsAreCalls(t *testing.T) {
	for _, v := range variants {
		for _, name := range strings.Fields(v) {
			info, ok := manifest.LookupSyscall("amd64", name)
			if !ok {
				t.Errorf("no system call %q", name)
			} else if info.Level > manifest.Normal && name != "clone" {
				t.Errorf("%s is %v and would come with a normal call", name, info.Level)
			}
		}
	}
}

func TestSyscalls(t *testing.T) {
	reachable := func(names ...string) ImageFacts {
		f := ImageFacts{Reachable: map[string]string{}, Asked: map[string]bool{}}
		for _, n := range names {
			f.Reachable[n], f.Asked[n] = "app → "+n+" (libc.so.6)", true
		}
		return f
	}
	var unwatched []string
	for _, n := range slices.Concat(hot[:], starting[:]) {
		unwatched = append(unwatched, "syscall:"+n)
	}
	unwatched = append(unwatched, "syscall:newfstatat", "syscall:prlimit64", "syscall:recvfrom")
	slices.Sort(unwatched)
	for _, test := range []struct {
		name   string
		facts  ImageFacts
		record *evidence.Record
		want   []string
	}{
		{"what was observed", reachable("read"), record(calls("openat", "getuid")), []string{"syscall:getuid", "syscall:openat"}},
		{"a variant that the code can make", reachable("pwrite64", "mount"), record(calls("pread64")),
			[]string{"syscall:pread64", "syscall:pwrite64"}},
		{"no variants blindly", reachable("read"), record(calls("pread64")), []string{"syscall:pread64"}},
		{"variants of the baseline", reachable("clock_gettime", "time", "epoll_pwait2"), record(),
			[]string{"syscall:epoll_pwait2", "syscall:time"}},
		{"what bad days take", reachable("rename", "kill", "recvmsg", "ptrace", "socket", "execve"), record(),
			[]string{"syscall:kill", "syscall:recvmsg", "syscall:rename"}},
		{"not what only libraries ask for", ImageFacts{Reachable: map[string]string{"rename": "", "recvmsg": "", "preadv": ""}}, record(calls("pread64")),
			[]string{"syscall:pread64", "syscall:recvmsg"}},
		{"a process by clone makes no namespaces", reachable("clone"), record(calls("vfork")),
			[]string{"syscall:clone(0&CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET=0)", "syscall:vfork"}},
		{"clone3 becomes clone", reachable("read"), record(calls("clone3")),
			[]string{"syscall:clone(0&CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET=0)"}},
		{"sockets by family and type", reachable("read"), record(calls("socket(2,1)", "socket(10,1)", "socket(2,2)", "socket(16,3)")),
			[]string{
				"syscall:socket(0=AF_INET,AF_INET6;1&0xf=SOCK_STREAM)", "syscall:socket(0=AF_INET;1&0xf=SOCK_DGRAM)",
				"syscall:socket(0=AF_NETLINK;1&0xf=SOCK_RAW)",
			}},
		{"a dangerous command by itself", reachable("read"), record(calls("ioctl(21505)", "ioctl(21531)", "ioctl(21522)")),
			[]string{"syscall:ioctl(1=TCGETS,FIONREAD)", "syscall:ioctl(1=TIOCSTI)"}},
		{"calls that are not watched", reachable("nanosleep", "read"), record(), []string{"syscall:nanosleep"}},
		{"calls that are not watched, of unknown code", ImageFacts{Unknown: []string{"/app"}}, record(), unwatched},
		{"a command in a musl program", reachable("read"), record(calls("ioctl(2147767344)")), []string{"syscall:ioctl(1=TIOCGPTN)"}},
		{"a call that the kernel did not have", reachable("read"),
			record(calls("fchmodat2"), func(r *evidence.Record) { r.Kernel = "6.1.0-28-amd64" }), nil},
		{"a call that always failed", reachable("read"), record(calls("mount", "getuid")), []string{"syscall:getuid"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, test.facts, test.record)
			if got := ids(p, "syscall"); !slices.Equal(got, test.want) {
				t.Errorf("proposed\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

func TestKernel(t *testing.T) {
	on := func(kernel string) *evidence.Record {
		return record(func(r *evidence.Record) { r.Kernel = kernel })
	}
	for _, test := range []struct {
		kernels []string
		want    string
	}{
		{[]string{"6.18.44"}, "6.18"},
		{[]string{"6.12.1-arch1", "6.8.0-51-generic", "6.18.0"}, "6.8"},
		{[]string{"5.15.0+"}, "5.15"},
		{[]string{"99.0"}, manifest.KnownKernel},
	} {
		var records []*evidence.Record
		for _, k := range test.kernels {
			records = append(records, on(k))
		}
		if got := propose(t, ImageFacts{}, records...).Manifest.Syscalls.Kernel; got != test.want {
			t.Errorf("%v: %s, want %s", test.kernels, got, test.want)
		}
	}
}

// TestOccasions holds that what is offered unseen exists, is normal, and is
// not decided by arguments that nobody has seen.
func TestOccasions(t *testing.T) {
	for _, o := range occasions() {
		for _, name := range strings.Fields(o.calls) {
			known := false
			for _, arch := range manifest.Architectures() {
				info, ok := manifest.LookupSyscall(arch, name)
				known = known || ok
				if ok && info.Level != manifest.Normal {
					t.Errorf("%s: %s is %v", o.what, name, info.Level)
				}
			}
			if !known || len(manifest.RecordedArgs(name)) > 0 {
				t.Errorf("%s: %s: known %t, decided by %v", o.what, name, known, manifest.RecordedArgs(name))
			}
		}
	}
}

func TestReach(t *testing.T) {
	code := map[string]string{"getuid": "app"}
	for _, test := range []struct {
		name       string
		facts      ImageFacts
		seen, want Reach // of getuid, and of getppid
	}{
		{"nobody looked", ImageFacts{}, "", ""},
		{"all was told", ImageFacts{Reachable: code}, CanReach, CannotReach},
		{"a file that cannot be read", ImageFacts{Reachable: code, Unknown: []string{"/app"}}, CanReach, ReachUnknown},
		{"a call that cannot be told", ImageFacts{Reachable: code, Sites: []string{"/app at 0x10"}}, CanReach, ReachUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, test.facts, record(calls("getuid", "getppid")))
			if got := p.Why["syscall:getuid"].Reach; got != test.seen {
				t.Errorf("getuid is %q, want %q", got, test.seen)
			}
			if got := p.Why["syscall:getppid"].Reach; got != test.want {
				t.Errorf("getppid is %q, want %q", got, test.want)
			}
			if got := warned(p, "cannot be told"); got != (len(test.facts.Sites) > 0) {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}
