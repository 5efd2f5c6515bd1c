package cmd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// askingFor is a manifest with a special permission, a special one that is
// optional, and normal ones, and in the place of MORE what a test adds.
const askingFor = `{"version":1,"syscalls":{"architecture":"ARCH","kernel":"6.18","allow":[{"name":"read"},{"name":"ptrace","optional":true}MORE]},
	"network":{"mode":"host"},
	"resources":{"memory":67108864,"pids":8,"openFiles":64,"milliCPU":500,"fileSize":4096}}`

// reviewed is a store with the image app:1, nothing of which is approved, and
// a key.
func reviewed(t *testing.T) *installation {
	t.Helper()
	dir := t.TempDir()
	writeImages(t, dir)
	i := &installation{t: t, image: "app:1", env: append(os.Environ(), "TERM=xterm",
		"XDG_DATA_HOME="+filepath.Join(dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))}
	i.must("load", "oci:"+filepath.Join(dir, "app-1"))
	i.must("key", "new")
	i.attach("")
	return i
}

// attach makes another manifest the newest.
func (i *installation) attach(more string) {
	i.t.Helper()
	file := filepath.Join(i.t.TempDir(), "manifest.json")
	text := strings.NewReplacer("ARCH", runtime.GOARCH, "MORE", more).Replace(askingFor)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	i.must("attach", i.image, file)
}

// approved reports whether the image may run.
func (i *installation) approved() bool {
	i.t.Helper()
	out, err := i.lpm("inspect", i.image).CombinedOutput()
	if err != nil {
		i.t.Fatalf("%v\n%s", err, out)
	}
	return !strings.Contains(string(out), "none in force")
}

// review starts approve on a terminal of an ordinary size, and waits until its
// front is there.
func (i *installation) review(flags ...string) (*pty, *exec.Cmd) {
	i.t.Helper()
	p := newPTY(i.t)
	p.resize(24, 80)
	c := i.lpm(append([]string{"approve", i.image}, flags...)...)
	p.start(c)
	return p, c
}

// lastKey is on the screen's first view, at its end.
const lastKey = "leave"

// see waits until a text is on the screen. What is drawn is only what is not
// there already, be it a part of a word; after a change of size it is all.
func (p *pty) see(text string) {
	p.t.Helper()
	b := make([]byte, 4096)
	for turn := range uint16(300) {
		deadline := time.Now().Add(200 * time.Millisecond)
		for err := error(nil); err == nil; {
			if i := bytes.Index(p.seen.Bytes(), []byte(text)); i >= 0 {
				p.seen.Next(i + len(text))
				return
			}
			if err := p.master.SetReadDeadline(deadline); err != nil {
				p.t.Fatal(err)
			}
			var n int
			n, err = p.master.Read(b)
			p.seen.Write(b[:n])
		}
		p.resize(24, 80+turn%2)
	}
	p.t.Fatalf("%q did not appear, but %q", text, p.seen.String())
}

// ended returns what has appeared since the last expectation, once the program
// is gone.
func (p *pty) ended() string {
	p.t.Helper()
	p.slave.Close()
	if err := p.master.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	// The kernel says EIO where the other side is closed (pty(7)).
	rest, _ := io.ReadAll(p.master)
	return p.seen.String() + string(rest)
}

// restored checks for what gives a terminal back: the ordinary screen, and its cursor.
func restored(output string) error {
	for name, code := range map[string]string{"alternate screen": "\x1b[?1049l", "hidden cursor": "\x1b[?25h", "bracketed paste": "\x1b[?2004l"} {
		if !strings.Contains(output, code) {
			return fmt.Errorf("the terminal is left with its %s: %q", name, output)
		}
	}
	return nil
}

// TestScreenOfApprove: a decision on the screen, from the first key to the
// signature.
func TestScreenOfApprove(t *testing.T) {
	i := reviewed(t)
	p, c := i.review()
	p.see("Special, each to be confirmed: 2")
	p.see(lastKey)
	if !p.raw() {
		t.Error("keys are read by the line")
	}
	p.typed("\r")
	p.see("its own local services too")
	p.see("recorded: no record to look into")
	p.typed("c")
	p.see("type network:host, then Enter")
	p.typed("network:host\r")
	p.see("Confirmed")
	p.typed("\x1b")
	p.see("Go to the summary")
	p.typed("j ")
	p.see("[ ] ptrace")
	p.typed("s")
	p.see("To sign, type yes, then Enter.")
	p.typed("yes\r")
	p.expect("approved app:1: ")
	p.expect(" granted, 1 denied, signed by key ")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if p.raw() || !i.approved() {
		t.Errorf("afterwards: raw %v, approved %v", p.raw(), i.approved())
	}
}

// TestEvidenceOnScreen: what is attached of the runs is in a permission's detail,
// and which vulnerabilities it leaves open.
func TestEvidenceOnScreen(t *testing.T) {
	i := reviewed(t)
	out, err := i.lpm("inspect", i.image, "-o", "json").Output()
	var inspected struct{ Image string }
	if err == nil {
		err = json.Unmarshal(out, &inspected)
	}
	if err != nil {
		t.Fatal(err)
	}
	call, _ := manifest.LookupSyscall(runtime.GOARCH, "ptrace")
	file := filepath.Join(t.TempDir(), "record.json")
	record := fmt.Sprintf(`{"version":1,"image":{"digest":%q},"architecture":%q,"kernel":"6.18.1","workload":{"command":["/bin/app"]},
		"started":"2026-01-02T03:04:05Z","duration":1200,"network":"host","identity":{"mode":"single","uid":0,"gid":0},
		"calls":[{"architecture":%[2]q,"number":%[3]d,"name":"ptrace","count":7,"first":5,"programs":["/bin/app"]}],
		"programs":[{"path":"/bin/app","count":1,"first":0}],"peaks":{"memory":1048576,"written":0,"pids":1,"milliCPU":10}}`,
		inspected.Image, runtime.GOARCH, call.Number)
	if err := os.WriteFile(file, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	i.must("attach", i.image, "--evidence", file)
	p, c := i.review()
	p.see(lastKey)
	p.typed("j\r")
	p.see("recorded: by app, 7 times in 1 of 1 run, first after 5ms")
	p.see("run 1: 2026-01-02 for 1.2s on Linux 6.18.1: /bin/app")
	p.see("leaves open: ")
	p.see("CVE-20")
	p.typed("q")
	if got := code(c.Wait()); got != 1 {
		t.Errorf("exit code %d", got)
	}
}

// TestScreenIsLeft: however the screen ends without a signature, nothing is
// approved and the terminal is as it was.
func TestScreenIsLeft(t *testing.T) {
	i := reviewed(t)
	for _, tt := range []struct {
		name string
		end  func(p *pty, c *exec.Cmd)
		code int
		says string
	}{
		{"Ctrl-C", func(p *pty, _ *exec.Cmd) { p.typed("\x03") }, 1, "nothing was approved"},
		{"q", func(p *pty, _ *exec.Cmd) { p.typed("q") }, 1, "nothing was approved"},
		{"Esc", func(p *pty, _ *exec.Cmd) { p.typed("\x1b") }, 1, "nothing was approved"},
		{"Ctrl-C at the signature", func(p *pty, _ *exec.Cmd) {
			p.typed("jdkcnetwork:host\rs")
			p.see("To sign, type yes, then Enter.")
			p.typed("yes\x03")
		}, 1, "nothing was approved"},
		{"SIGTERM", func(_ *pty, c *exec.Cmd) { c.Process.Signal(syscall.SIGTERM) }, 128 + int(syscall.SIGTERM), ""},
		{"SIGINT", func(_ *pty, c *exec.Cmd) { c.Process.Signal(syscall.SIGINT) }, 128 + int(syscall.SIGINT), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, c := i.review()
			p.see(lastKey)
			tt.end(p, c)
			if got := code(c.Wait()); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if p.raw() {
				t.Error("the terminal has been left in raw mode")
			}
			output := p.ended()
			if err := restored(output); err != nil {
				t.Error(err)
			}
			if !strings.Contains(output, tt.says) {
				t.Errorf("%q does not say %q", output, tt.says)
			}
			if i.approved() {
				t.Error("it is approved")
			}
		})
	}
}

// TestTerminalIsGone: a screen whose terminal is closed ends, and approves
// nothing.
func TestTerminalIsGone(t *testing.T) {
	i := reviewed(t)
	p, c := i.review()
	p.see(lastKey)
	p.slave.Close()
	p.master.Close()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it ended well")
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on without a terminal")
	}
	if i.approved() {
		t.Error("it is approved")
	}
}

// TestChangedMeanwhile: what is attached while a person reads is not signed,
// be it on the screen or question by question.
func TestChangedMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		flags  []string
		answer func(p *pty, change func())
	}{
		{"screen", nil, func(p *pty, change func()) {
			p.see(lastKey)
			p.typed("jdkcnetwork:host\r")
			p.see("Confirmed")
			p.typed("\x1b")
			// What follows Esc at once would be a key with Alt.
			p.see("Go to the summary")
			p.typed("s")
			p.see("To sign, type yes, then Enter.")
			change()
			p.typed("yes\r")
		}},
		{"questions", []string{"--plain"}, func(p *pty, change func()) {
			p.expect("grant syscall:ptrace? [y/N]")
			p.typed("n\n")
			p.expect("accept network:host? [y/N]")
			p.typed("y\n")
			p.expect("normal permissions? [y/N]")
			change()
			p.typed("y\n")
		}},
	} {
		for name, change := range map[string]func(i *installation){
			"another manifest": func(i *installation) { i.attach(`,{"name":"write"}`) },
			"an approval": func(i *installation) {
				i.must("approve", i.image, "--yes", "--accept", "network:host", "--deny", "syscall:ptrace")
			},
			"nothing": func(*installation) {},
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				i := reviewed(t)
				p, c := i.review(tt.flags...)
				tt.answer(p, func() { change(i) })
				got, output := code(c.Wait()), ""
				if output = p.ended(); name == "nothing" {
					if got != 0 || !i.approved() {
						t.Errorf("exit code %d, approved %v: %q", got, i.approved(), output)
					}
					return
				}
				if got != 1 || !strings.Contains(output, "nothing was signed, for it is not as it was shown: ") || !strings.Contains(output, "hint: see what it asks for now") {
					t.Errorf("exit code %d: %q", got, output)
				}
				if log, err := i.lpm("approve", "--log", i.image).Output(); err != nil || name == "another manifest" && i.approved() || strings.Count(string(log), "ptrace") > 1 {
					t.Errorf("%v, approved %v:\n%s", err, i.approved(), log)
				}
			})
		}
	}
}

// TestRetagged: a name that has become another image's is not signed.
func TestRetagged(t *testing.T) {
	i := reviewed(t)
	p, c := i.review("--plain", "--deny", "syscall:ptrace", "--accept", "network:host")
	p.expect("normal permissions? [y/N]")
	dir := t.TempDir()
	writeRetagged(t, dir)
	i.must("load", "oci:"+dir)
	p.typed("y\n")
	if got, output := code(c.Wait()), p.ended(); got != 1 || !strings.Contains(output, "its name is that of image sha256:") {
		t.Errorf("exit code %d: %q", got, output)
	}
}

// TestScreenSizes: the screen follows the window, and says when that is too
// small.
func TestScreenSizes(t *testing.T) {
	i := reviewed(t)
	p, c := i.review()
	p.see(lastKey)
	p.resize(8, 30)
	p.expect("too small")
	p.resize(12, 40)
	p.expect("Special, each to be confirmed")
	p.typed("q")
	if got := code(c.Wait()); got != 1 {
		t.Errorf("exit code %d", got)
	}
}

// TestScreenColours: they are there, and with NO_COLOR they are not.
func TestScreenColours(t *testing.T) {
	i := reviewed(t)
	colour := regexp.MustCompile("\x1b\\[[0-9;]*[1-9][0-9;]*m")
	for _, without := range []bool{false, true} {
		if without {
			i.env = append(i.env, "NO_COLOR=1")
		}
		p, c := i.review()
		p.typed("q")
		c.Wait()
		if output := p.ended(); colour.MatchString(output) == without {
			t.Errorf("NO_COLOR %v: %q", without, output)
		}
	}
}
