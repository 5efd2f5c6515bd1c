package page

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// sample is a page with everything that one can have.
func sample() *Document {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	permission := func(id, title, meaning string, level manifest.Level) Permission {
		return Permission{Permission: manifest.Permission{ID: id, Title: title, Meaning: meaning, Level: level, Group: "network"}}
	}
	host := permission("network:host", "The machine's own network", "Reach every machine that yours can, its own local services too; only TCP ports are held to the list, UDP and addresses are open.", manifest.Special)
	host.Reason, host.Seen, host.CVEs = "network used by redis-server; recorded on the host's own", "seen in 6 of 6 runs, by redis-server", 12
	host.Tried = "needed: fails without it"
	ptrace := permission("syscall:ptrace", "ptrace", "Take over other processes of the container: read their secrets and make them do anything.", manifest.Special)
	ptrace.Optional, ptrace.Denied, ptrace.Never, ptrace.Seen = true, true, true, "never seen in 6 runs"
	listen := permission("listen:tcp/6379", "Listen on TCP port 6379, open to the outside", "Be reached at this port by whoever can reach your machine.", manifest.Dangerous)
	listen.Seen = "seen in 5 of 6 runs, by redis-server"
	files := Group{Title: "System calls: files", Meaning: "Ask the kernel to read, write and arrange files it can already reach.", Seen: "2 seen, 1 never seen"}
	for _, id := range []string{"syscall:openat", "syscall:ioctl(1=TCGETS,TIOCGWINSZ,FIONBIO,FIONREAD,TIOCSWINSZ,TCSETSW)", "syscall:copy_file_range"} {
		p := permission(id, strings.TrimPrefix(id, "syscall:"), files.Meaning, manifest.Normal)
		p.Reason, p.Seen = "used by redis-server", "seen in 6 of 6 runs, by redis-server"
		files.Permissions = append(files.Permissions, p)
	}
	files.Permissions[2].Reason, files.Permissions[2].Seen, files.Permissions[2].Never = "", "never seen in 6 runs", true
	memory := permission("resource:memory", "Up to 32 MiB of memory", "Use no more memory than this.", manifest.Normal)
	memory.Seen = "32 MiB, twice the peak of 14.1 MiB"
	resources := Group{Title: "Resources", Meaning: "Use memory, processor and other means of the machine up to a bound.", Permissions: []Permission{memory}}
	d := &Document{
		Name: "registry.example/team/redis:7", Image: digest("1"), Manifest: digest("2"), Architecture: "amd64", Size: "18.3 MiB",
		Attached: noon.AddDate(0, -1, 0), Made: noon, Older: 2,
		Approval: Approval{Granted: true, Word: "approved", Text: "on 2026-02-01 12:00 UTC by Ada, key 0123456789ab, until 2026-05-01 12:00 UTC", Notes: []string{"Without syscall:ptrace."}},
		Invalid:  []Invalid{{digest("3"), "decoding: unexpected end of JSON input"}},
		Narrowed: true, DockerProfile: vulnerabilities.DockerVersion,
		Counts: []Count{
			{What: "System calls", Note: "5 with certain arguments only", Asked: 74, Of: 385, Docker: 309, Approved: 73, AskedBar: NewBar(74, 385), ApprovedBar: NewBar(73, 385), DockerBar: NewBar(309, 385)},
			{What: "Known kernel CVEs left reachable", Asked: 36, Of: 357, Docker: 116, Approved: 30, AskedBar: NewBar(36, 357), ApprovedBar: NewBar(30, 357), DockerBar: NewBar(116, 357)},
			{What: "Capabilities", Asked: 0, Of: 41, Docker: 14, AskedBar: NewBar(0, 41), ApprovedBar: NewBar(0, 41), DockerBar: NewBar(14, 41)},
		},
		Levels: []Level{
			{Level: manifest.Special, Shown: []Permission{host, ptrace}},
			{Level: manifest.Dangerous, Shown: []Permission{listen}},
			{Level: manifest.Normal, Groups: []Group{resources, files}},
		},
		Evidence:        "6 recorded runs: 28 of the permissions seen, 17 never, 40 that are not watched.",
		Runs:            []Run{{Started: noon, Duration: 2786 * time.Millisecond, Kernel: "6.18.1", Command: "redis-server /etc/redis.conf", Exercise: "redis-benchmark -p $LPM_PORT -q -n 1000", From: digest("4")}},
		Trials:          "60 runs with permissions left out: 18 needed, 19 not needed, the others undecided.",
		Tries:           []Trials{{Runs: 60, Command: "redis-server /etc/redis.conf", Exercise: "redis-cli save", From: digest("5")}},
		Vulnerabilities: vulnerabilities.Worst(vulnerabilities.Known())[:40],
	}
	return d
}

// written returns the page of a document.
func written(t testing.TB, d *Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
