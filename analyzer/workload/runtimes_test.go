package workload

import (
	"slices"
	"strings"
	"testing"
)

// TestRuntimes records a small HTTP server in each of the runtimes that bring
// threads, memory and machine code of their own: it answers by workers and by a
// child process, and writes a file. The same requests pass under the proposal,
// and a program that was not in the record is refused.
func TestRuntimes(t *testing.T) {
	for _, test := range []struct {
		image    string
		port     int
		programs []string // all that the proposal starts
	}{
		{"node", 8021, []string{"/usr/bin/node", "/usr/bin/uname"}},
		{"java", 8022, []string{"java", "jspawnhelper", "/usr/bin/uname"}},
	} {
		t.Run(test.image, func(t *testing.T) {
			l := newLab(t, test.image)
			free(t, test.port)
			o := l.run(t, l.job(t))
			r := o.Record
			if o.Failure != nil || r.Lost > 0 || len(r.Truncated) > 0 {
				t.Fatalf("failure %v, lost %d, truncated %v", o.Failure, r.Lost, r.Truncated)
			}
			if libc, _, _ := strings.Cut(r.Libc, " "); libc != "glibc" {
				t.Errorf("libc %q, want glibc", r.Libc)
			}
			p := propose(t, o)
			m := p.Manifest
			t.Logf("%d calls, untold %q, filesystem %+v, execute %+v", len(allowedCalls(p)), p.Untold(), m.Filesystem, m.Execute)
			for _, e := range m.Execute {
				if !slices.ContainsFunc(test.programs, func(name string) bool { return strings.HasSuffix(e.Path, name) }) {
					t.Errorf("%s may be started", e.Path)
				}
			}
			l.holds(t, m)
			l.refuses(t, m)
		})
	}
}
