package ablation

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// TestTail: of a flood the beginning and the end are kept.
func TestTail(t *testing.T) {
	var kept tail
	var all bytes.Buffer
	for i := range 3000 {
		line := bytes.Repeat([]byte{byte('a' + i%26)}, i%997)
		all.Write(line)
		if n, err := kept.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		if len(kept.head)+len(kept.end) > 4*maxKept {
			t.Fatalf("%d bytes are held", len(kept.head)+len(kept.end))
		}
	}
	text := kept.text()
	if len(text) > 2*maxKept+100 || !bytes.HasPrefix(text, all.Bytes()[:maxKept]) || !bytes.HasSuffix(text, all.Bytes()[all.Len()-maxKept:]) ||
		!bytes.Contains(text, []byte("bytes left out]")) {
		t.Errorf("%d bytes are kept of %d", len(text), all.Len())
	}
	var short tail
	_, _ = short.Write([]byte("all of it"))
	if got := string(short.text()); got != "all of it" {
		t.Errorf("kept %q", got)
	}
}

func TestTelling(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"\n\n":                              "",
		"starting\nready\n\n":               "ready",
		"an error\nEPERM: x\n":              "EPERM: x",
		"panic: first\nerror second\nbye\n": "panic: first",
		"bad \x1b[31mfailure\u202e\n":       "bad ?[31mfailure?",
		strings.Repeat("error", 100):        strings.Repeat("error", 40) + "…",
	} {
		if got := telling([]byte(text)); got != want {
			t.Errorf("of %q it tells %q, want %q", text, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	denials := []supervise.Denial{
		{Kind: supervise.KindSyscall, What: "socket(AF_INET6, SOCK_STREAM)", Program: "/a", Errno: "EPERM", First: at(1)},
		{Kind: supervise.KindSyscall, What: "clone(CLONE_VM|CLONE_FS)", Program: "/a", Errno: "EPERM", First: at(1)},
		{Kind: supervise.KindListen, What: "0.0.0.0:80/tcp", Program: "/a", Errno: "EACCES", First: at(2)},
		{Kind: supervise.KindWrite, What: "/data/file", Program: "/a", Errno: "EROFS", First: at(3)},
		{Kind: supervise.KindProgram, What: "/bin/sh", Program: "/a", Errno: "EACCES", First: at(4)},
	}
	for _, tt := range []struct {
		left   prove.Candidate
		want   string
		direct bool
	}{
		{prove.Candidate{Permission: "syscall:socket(0=AF_INET,AF_INET6)", Value: "AF_INET6"}, "syscall socket", true},
		{prove.Candidate{Permission: "syscall:socket(0=AF_INET,AF_UNIX)", Value: "AF_UNIX"}, "program /bin/sh", false},
		// The refused family has this one's name within its own.
		{prove.Candidate{Permission: "syscall:socket(0=AF_INET,AF_UNIX)", Value: "AF_INET"}, "program /bin/sh", false},
		{prove.Candidate{Permission: "syscall:clone(0=CLONE_VM,CLONE_FS)", Value: "CLONE_FS"}, "syscall clone", true},
		{prove.Candidate{Permission: "syscall:socketpair"}, "program /bin/sh", false},
		{prove.Candidate{Permission: "listen:tcp/80"}, "listen 0.0.0.0:80/tcp", true},
		{prove.Candidate{Permission: "listen:tcp/8080"}, "program /bin/sh", false},
		{prove.Candidate{Permission: "write:/data"}, "write /data/file", true},
		{prove.Candidate{Permission: "write:/dat"}, "program /bin/sh", false},
		{prove.Candidate{Permission: "execute:/bin/sh"}, "program /bin/sh", true},
	} {
		text, direct := refused(denials, []prove.Candidate{tt.left})
		if !strings.HasPrefix(text, tt.want) || direct != tt.direct {
			t.Errorf("without %+v: %q, %v", tt.left, text, direct)
		}
		// Of several that were left out it cannot be told.
		if _, direct := refused(denials, []prove.Candidate{tt.left, {}}); direct {
			t.Errorf("without %+v and others it is direct", tt.left)
		}
	}
	if text, direct := refused(nil, nil); text != "" || direct {
		t.Errorf("of nothing: %q, %v", text, direct)
	}
}

func TestParallel(t *testing.T) {
	none, host := &manifest.Manifest{}, &manifest.Manifest{}
	none.Network.Mode, host.Network.Mode = manifest.NetworkNone, manifest.NetworkHost
	shared := workload.Job{Options: plan.Options{Volumes: []plan.Volume{{Source: "data", Path: "/data"}}}}
	for _, tt := range []struct {
		name string
		job  Job
		said string
	}{
		{"nothing in common", Job{Manifest: none}, ""},
		{"the network", Job{Manifest: host}, "ports"},
		{"an exercise", Job{Manifest: none, Workload: workload.Job{Exercises: []string{"x"}}}, "exercise"},
		{"a volume", Job{Manifest: none, Workload: shared}, "volumes"},
		{"as was asked for", Job{Manifest: host, Parallel: 7}, ""},
	} {
		said := ""
		tt.job.Said = func(line string) { said = line }
		n := (&runner{Job: tt.job}).parallel()
		if alone := n == 1 && tt.said != ""; tt.said != "" && !alone || !strings.Contains(said, tt.said) || tt.said == "" && said != "" || tt.job.Parallel > 0 && n != 7 {
			t.Errorf("%s: %d at a time, said %q", tt.name, n, said)
		}
	}
}

// TestBindable leaves a connection behind that its server closed first.
func TestBindable(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if bindable(t.Context(), port, 1) {
		t.Error("a port that is listened on is free")
	}
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the server is still there")
	}
	client.Close()
	l.Close()
	// Go sets SO_REUSEADDR, so that what remains is no hindrance to who does too.
	if !bindable(t.Context(), port, 1) || bindable(t.Context(), port, 0) {
		t.Errorf("with SO_REUSEADDR %v, without %v", bindable(t.Context(), port, 1), bindable(t.Context(), port, 0))
	}
	r := &runner{Job: Job{Manifest: &manifest.Manifest{}}}
	r.Manifest.Network.Mode = manifest.NetworkHost
	r.Manifest.Network.Listen = []manifest.Listen{{Port: uint16(port), Protocol: manifest.TCP}}
	begun := time.Now()
	if err := r.awaitPorts(t.Context(), nil); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("waiting for a free port: %v after %s", err, time.Since(begun))
	}
}
