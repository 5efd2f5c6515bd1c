package prepared_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/prepared"
	"github.com/least-privilege/lpm/manifest"
)

// sample is a launch with a value in every part.
func sample(t testing.TB) (*prepared.Launch, prepared.Details, prepared.Aside) {
	t.Helper()
	path := "/"
	p := &plan.Plan{
		Mode: plan.Enforce, Image: "sha256:aa", Manifest: "sha256:bb",
		Process:    plan.Process{Program: "/bin/true", Args: []string{"/bin/true"}, Dir: "/"},
		Identity:   plan.Identity{UID: 1, GIDs: []plan.IDMap{{Container: 1, Host: 2, Size: 3}}},
		Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNET"},
		Ops: []plan.Op{
			{Call: "chdir", Args: []plan.Arg{{Text: &path}}, About: "going there"},
			{Call: "seccomp", Args: []plan.Arg{{Filters: true}}},
			{Call: "clone", Args: []plan.Arg{{Flags: "SIGCHLD"}}, Out: "program"},
		},
		Init: &plan.Init{
			Ops:     []plan.Op{{Call: "seccomp", Args: []plan.Arg{{InitFilter: true}}}},
			Wait:    plan.Op{Call: "rt_sigtimedwait", Out: "signal"},
			Collect: plan.Op{Call: "wait4", Args: []plan.Arg{{Out: "ended"}}},
			Pass:    plan.Op{Call: "kill", Args: []plan.Arg{{FD: "program"}, {FD: "signal"}}},
			End:     plan.Op{Call: "exit_group", Args: []plan.Arg{{FD: "ended"}}},
		},
		Filters: []plan.Filter{{Architecture: "amd64", Default: plan.ActionNotify}},
		Supervision: plan.Supervision{
			Syscalls: []string{"read"}, Names: map[string]string{"/a": "/b"},
			When:    map[string][][]plan.Compare{"connect": {{{Arg: 1, Mask: 1<<64 - 1, Value: 2}}, {{Value: 3}}}},
			Files:   &plan.Files{Calls: []string{"openat"}, Readable: []string{"/etc"}, Mounts: []manifest.Mount{{Path: "/data", Volume: "data", Note: manifest.Note{Optional: true}}}},
			Network: manifest.Network{Mode: manifest.NetworkHost, Listen: []manifest.Listen{{Port: 80, Protocol: manifest.TCP}}},
		},
		Group:  plan.Group{Kind: plan.GroupScope, Resources: manifest.Resources{PIDs: 5}},
		Limits: []plan.Limit{{Resource: "pids", Value: 5, By: "systemd scope"}},
	}
	filters := launch.Filters{Program: []byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}, Init: []byte{6, 0, 0, 0, 0, 0, 0, 0}}
	program, err := launch.Compile(p, filters)
	if err != nil {
		t.Fatal(err)
	}
	l := &prepared.Launch{Program: program, Start: prepared.Start{
		Build: "1", Index: []byte{1, 2}, Tree: "/t", TreeLock: "/l", Layer: "/y",
		Defaults: plan.Defaults{Entrypoint: []string{"/bin/true"}, Env: []string{"A=b"}, Home: "/"}, TTY: true, Early: true,
	}}
	asked := &manifest.Manifest{Version: manifest.Version, Syscalls: manifest.Syscalls{Allow: []manifest.Syscall{
		{Name: "read"}, {Name: "kill", Note: manifest.Note{Optional: true}},
	}}}
	granted := *asked
	granted.Syscalls.Allow = asked.Syscalls.Allow[:1]
	return l, prepared.Details{Plan: p, Host: plan.Host{Kernel: "6.18"}, Approval: []byte("seal"), Denied: []string{"x"}},
		prepared.Aside{Filters: filters, Asked: asked, Granted: &granted}
}

func TestKept(t *testing.T) {
	l, d, aside := sample(t)
	first, second, err := l.Encode(d, aside)
	if err != nil {
		t.Fatal(err)
	}
	got, err := prepared.Decode(first)
	if err != nil || !reflect.DeepEqual(got.Start, l.Start) || !reflect.DeepEqual(got.Program, l.Program) {
		t.Fatalf("got %+v, %v, want %+v", got, err, l)
	}
	details, err := got.Details()
	lean := *d.Plan
	lean.Ops, lean.Init, lean.Filters, lean.Layer = nil, nil, nil, plan.Layer{}
	d.Plan = &lean
	if err != nil || !reflect.DeepEqual(details, d) {
		t.Errorf("details %+v, %v, want %+v", details, err, d)
	}
	whole, err := got.Plan(second)
	if err != nil || len(whole.Operations()) != 8 || whole.Ops[0].String() != `chdir("/")` {
		t.Errorf("plan %+v, %v", whole, err)
	}
	if again, err := got.Aside(second); err != nil || !reflect.DeepEqual(again, aside) {
		t.Errorf("aside %+v, %v, want %+v", again, err, aside)
	}
}

// TestDamage: no file with a byte that is another, or cut short, is a launch.
func TestDamage(t *testing.T) {
	l, d, aside := sample(t)
	first, second, err := l.Encode(d, aside)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		first[i] ^= 1 << (i % 8)
		if _, err := prepared.Decode(first); !errors.Is(err, prepared.ErrDamaged) {
			t.Fatalf("with another byte %d it is read: %v", i, err)
		}
		first[i] ^= 1 << (i % 8)
		if _, err := prepared.Decode(first[:i]); !errors.Is(err, prepared.ErrDamaged) {
			t.Fatalf("cut at %d it is read: %v", i, err)
		}
	}
	for i := range second {
		second[i] ^= 1 << (i % 8)
		if _, err := l.Plan(second); !errors.Is(err, prepared.ErrDamaged) {
			t.Fatalf("with another byte %d the plan is read: %v", i, err)
		}
		if _, err := l.Aside(second); !errors.Is(err, prepared.ErrDamaged) {
			t.Fatalf("with another byte %d the manifests are read: %v", i, err)
		}
		second[i] ^= 1 << (i % 8)
	}
}

// TestPlanIsTheProgram: a launch that does something else than its plan says
// is found out where the plan is printed, whatever the digests say.
func TestPlanIsTheProgram(t *testing.T) {
	l, d, aside := sample(t)
	fewer, idle := *d.Plan, *d.Plan
	fewer.Ops = fewer.Ops[1:]
	init := *idle.Init
	init.Ops, idle.Init = nil, &init
	for _, other := range []plan.Plan{fewer, idle} {
		program, err := launch.Compile(&other, aside.Filters)
		if err != nil {
			t.Fatal(err)
		}
		l.Program = program
		_, second, err := l.Encode(d, aside)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Plan(second); !errors.Is(err, prepared.ErrDamaged) {
			t.Errorf("a plan of another program is read: %v", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	l, d, aside := sample(f)
	first, second, err := l.Encode(d, aside)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	f.Add(second)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if l, err := prepared.Decode(b); err == nil {
			_, _ = l.Details()
		}
	})
}
