package analyzer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// CUE returns the proposal as a CUE file for a person to read and change: the
// manifest, each entry with its reason, and in comments what it rests on.
func (p *Proposal) CUE() []byte {
	w := &cueWriter{proposal: p, parts: vulnerabilities.Parts(p.Manifest)}
	w.header()
	w.printf("version: %d\n", p.Manifest.Version)
	w.syscalls()
	w.capabilities()
	w.identity()
	w.execute()
	w.filesystem()
	w.mounts()
	w.devices()
	w.network()
	w.resources()
	return w.Bytes()
}

type cueWriter struct {
	bytes.Buffer
	proposal *Proposal
	// parts are what the permissions leave open, by their places.
	parts map[string]vulnerabilities.Part
}

func (w *cueWriter) printf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

// comment writes a text as comment lines of readable width.
func (w *cueWriter) comment(text string) {
	const width = 76
	column := 0
	for _, word := range strings.Fields(line(text)) {
		switch {
		case column == 0:
			w.printf("//")
		case column+1+len(word) > width:
			w.printf("\n//  ")
			column = 2
		}
		w.printf(" %s", word)
		column += 1 + len(word)
	}
	w.printf("\n")
}

func (w *cueWriter) header() {
	first := w.proposal.Runs[0]
	name := first.Image.Reference
	if name == "" {
		name = first.Image.Digest
	}
	w.comment(fmt.Sprintf("Permissions of %s, proposed from %s.", name, count(len(w.proposal.Runs), "recorded run")))
	w.printf("//\n")
	w.comment(first.Image.Digest)
	for i, r := range w.proposal.Runs {
		w.comment(fmt.Sprintf("run %d: %s", i+1, describeRun(r)))
	}
	w.printf("//\n")
	w.comment("What was watched is in it; what did not happen in these runs is not.")
	w.comment(leftOpen(w.proposal.Manifest))
	if text := w.proposal.Coverage; text != "" {
		w.comment("Coverage: " + text + ".")
	}
	if w.proposal.Trials != "" {
		w.comment(w.proposal.Trials)
	}
	for _, warning := range w.proposal.Warnings {
		w.comment("NOTE: " + warning)
	}
	w.printf("\n")
}

func describeRun(r *evidence.Record) string {
	text := fmt.Sprintf("%s for %s on Linux %s", r.Started.UTC().Format(time.DateOnly), duration(r.Duration), r.Kernel)
	if r.Libc != "" {
		text += ", " + r.Libc
	}
	if len(r.Workload.Command) > 0 {
		text += ": " + strings.Join(r.Workload.Command, " ")
	}
	if r.Workload.Exercise != "" {
		text += "; exercised by " + r.Workload.Exercise
	}
	return text
}

// evidence returns a comment that says what an entry rests on, or "".
func (w *cueWriter) evidence(list string, i int) string {
	return w.evidenceAt(fmt.Sprintf("%s[%d]", list, i))
}

func (w *cueWriter) evidenceAt(place string) string {
	var texts []string
	e := w.proposal.at[place]
	if e.Count > 0 {
		text := count(int(min(e.Count, 1<<31-1)), "time")
		if n := len(w.proposal.Runs); n > 1 {
			text += fmt.Sprintf(" in %d of %d runs", len(e.Runs), n)
		}
		texts = append(texts, text, "first after "+duration(e.First))
	}
	if part, has := w.parts[place]; has {
		texts = append(texts, count(len(part.Needing), "known CVE"))
	}
	text := strings.Join(texts, ", ")
	if need := e.need(); need != "" {
		text = strings.TrimPrefix(text+"; "+need, "; ")
	}
	if text == "" {
		return ""
	}
	return " // " + text
}

// leftOpen says how much of the kernel a manifest opens, beside the profile
// that most containers have.
func leftOpen(m *manifest.Manifest) string {
	docker := vulnerabilities.Docker(m.Syscalls.Architecture)
	return fmt.Sprintf("Of %d known CVEs of Linux in the table of lpm it leaves %d open (lpm explain names them); Docker's default, github.com/moby/profiles/seccomp %s, leaves %d.",
		len(vulnerabilities.Known()), len(vulnerabilities.Open(m)), vulnerabilities.DockerVersion, len(docker.Open()))
}

// count names a number of things.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func duration(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}

func (w *cueWriter) syscalls() {
	m := w.proposal.Manifest
	w.printf("\nsyscalls: {\n\tarchitecture: %s\n\tkernel:       %s\n\tallow: [\n", quote(m.Syscalls.Architecture), quote(m.Syscalls.Kernel))
	for _, group := range []struct{ id, title string }{
		{"file", "files"}, {"network", "network"}, {"process", "processes"}, {"memory", "memory"},
		{"signal", "signals"}, {"time", "time"}, {"privileged", "privileged"},
	} {
		first := true
		for i, s := range m.Syscalls.Allow {
			if info, _ := manifest.LookupSyscall(m.Syscalls.Architecture, s.Name); info.Group != group.id {
				continue
			}
			if first {
				w.printf("\t\t// %s\n", group.title)
				first = false
			}
			w.printf("\t\t{name: %s%s%s},%s\n", quote(s.Name), when(s.When), note(s.Note), w.evidence("syscalls.allow", i))
		}
	}
	w.printf("\t]\n}\n")
}

func when(conditions []manifest.Condition) string {
	if len(conditions) == 0 {
		return ""
	}
	var parts []string
	for _, c := range conditions {
		mask := ""
		if c.Mask != "" {
			mask = ", mask: " + quote(c.Mask)
		}
		parts = append(parts, fmt.Sprintf("{arg: %d%s, oneOf: %s}", c.Arg, mask, quoteAll(c.OneOf)))
	}
	return ", when: [" + strings.Join(parts, ", ") + "]"
}

// list writes a section that is a list, one entry a line; nothing for none.
func (w *cueWriter) list(indent, label, place string, n int, entry func(i int) string) {
	if n == 0 {
		return
	}
	w.printf("%s%s: [\n", indent, label)
	for i := range n {
		w.printf("%s\t{%s},%s\n", indent, entry(i), w.evidence(place, i))
	}
	w.printf("%s]\n", indent)
}

func (w *cueWriter) capabilities() {
	all := w.proposal.Manifest.Capabilities
	w.printf("\n")
	if len(all) == 0 {
		w.printf("capabilities: []\n")
	}
	w.list("", "capabilities", "capabilities", len(all), func(i int) string {
		return "name: " + quote(all[i].Name) + note(all[i].Note)
	})
}

func (w *cueWriter) identity() {
	id := w.proposal.Manifest.Identity
	w.printf("\n")
	w.printf("identity: {mode: %s%s}%s\n", quote(string(id.Mode)), note(id.Note), w.evidenceAt("identity"))
}

func (w *cueWriter) execute() {
	all := w.proposal.Manifest.Execute
	w.printf("\n")
	w.list("", "execute", "execute", len(all), func(i int) string {
		return "path: " + quote(all[i].Path) + note(all[i].Note)
	})
}

func (w *cueWriter) filesystem() {
	all := w.proposal.Manifest.Filesystem.Writable
	w.printf("\n")
	if len(all) == 0 {
		w.printf("filesystem: {}\n")
		return
	}
	w.printf("filesystem: {\n")
	if why, has := w.proposal.at[sizeOfWritable]; has {
		w.printf("\t// size: %s\n", line(why.Text))
	}
	w.list("\t", "writable", "filesystem.writable", len(all), func(i int) string {
		size := ""
		if n := all[i].Size; n != 0 {
			size = fmt.Sprintf(", size: %d", n)
		}
		return "path: " + quote(all[i].Path) + size + note(all[i].Note)
	})
	w.printf("}\n")
}

func (w *cueWriter) mounts() {
	all := w.proposal.Manifest.Mounts
	if len(all) > 0 {
		w.printf("\n")
	}
	w.list("", "mounts", "mounts", len(all), func(i int) string {
		return fmt.Sprintf("path: %s, volume: %s, write: %t%s", quote(all[i].Path), quote(all[i].Volume), all[i].Write, note(all[i].Note))
	})
}

func (w *cueWriter) devices() {
	all := w.proposal.Manifest.Devices
	if len(all) > 0 {
		w.printf("\n")
	}
	w.list("", "devices", "devices", len(all), func(i int) string {
		return "path: " + quote(all[i].Path) + note(all[i].Note)
	})
}

func (w *cueWriter) network() {
	n := w.proposal.Manifest.Network
	w.printf("\n")
	w.printf("network: {\n\tmode: %s%s\n", quote(string(n.Mode)), w.evidenceAt("network"))
	if n.Reason != "" {
		w.printf("\treason: %s\n", quote(n.Reason))
	}
	w.list("\t", "listen", "network.listen", len(n.Listen), func(i int) string {
		publish := ""
		if n.Listen[i].Publish {
			publish = ", publish: true"
		}
		return fmt.Sprintf("port: %d, protocol: %s%s%s", n.Listen[i].Port, quote(string(n.Listen[i].Protocol)), publish, note(n.Listen[i].Note))
	})
	w.list("\t", "egress", "network.egress", len(n.Egress), func(i int) string {
		return destination(n.Egress[i]) + note(n.Egress[i].Note)
	})
	w.printf("}\n")
}

// destination writes an entry of network.egress but for its note.
func destination(e manifest.Egress) string {
	var fields []string
	if e.Host != "" {
		fields = append(fields, "host: "+quote(e.Host))
	}
	if e.CIDR != "" {
		fields = append(fields, "cidr: "+quote(e.CIDR))
	}
	if len(e.Ports) > 0 {
		ports := make([]string, len(e.Ports))
		for i, r := range e.Ports {
			ports[i] = r.String()
		}
		fields = append(fields, "ports: "+quoteAll(ports))
	}
	return strings.Join(append(fields, "protocol: "+quote(string(e.Protocol))), ", ")
}

func (w *cueWriter) resources() {
	r := w.proposal.Manifest.Resources
	w.printf("\n")
	w.printf("resources: {\n")
	for _, bound := range []struct {
		name  string
		value int64
	}{
		{"memory", r.Memory}, {"pids", r.PIDs}, {"milliCPU", r.MilliCPU}, {"ioWeight", r.IOWeight},
		{"openFiles", r.OpenFiles}, {"fileSize", r.FileSize},
	} {
		switch why := line(w.proposal.at["resources."+bound.name].Text); {
		case bound.value != 0:
			w.printf("\t%s: %d // %s\n", bound.name, bound.value, why)
		case why != "":
			w.printf("\t// %s: %s\n", bound.name, why)
		}
	}
	w.printf("}\n")
}

func note(n manifest.Note) string {
	text := ""
	if n.Reason != "" {
		text += ", reason: " + quote(n.Reason)
	}
	if n.Optional {
		text += ", optional: true"
	}
	return text
}

// quote writes a CUE string. JSON's strings are CUE's too: a backslash is
// always doubled, so that nothing interpolates.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(fmt.Sprintf("encoding a string: %v", err)) // cannot fail
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
