package evidence

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Validate checks what the types cannot say. Its errors wrap [ErrFormat] and
// name the member.
func (r *Record) Validate() error {
	c := checker{}
	c.that(r.Version == Version, "version: %d is not %d", r.Version, Version)
	c.that(isDigest(r.Image.Digest), "image.digest: %q is not of the form sha256:…", r.Image.Digest)
	c.that(r.Architecture == "amd64" || r.Architecture == "arm64", "architecture: %q is neither amd64 nor arm64", r.Architecture)
	c.that(r.Kernel != "", "kernel: missing")
	c.that(r.Recorder == "" || r.Recorder == "seccomp" || r.Recorder == "ebpf", "recorder: %q is neither seccomp nor ebpf", r.Recorder)
	if h := r.Workload.Healthcheck; h != nil {
		c.that(h.Failed <= h.Runs, "workload.healthcheck.failed: %d is more than the runs", h.Failed)
	}
	c.that(r.Duration >= 0 && r.Duration <= MaxDuration, "duration: %d is not from 0 to %d", r.Duration, int64(MaxDuration))
	switch r.Network {
	case manifest.NetworkNone, manifest.NetworkPrivate, manifest.NetworkHost:
	default:
		c.that(false, "network: %q is not a network mode", r.Network)
	}
	switch r.Identity.Mode {
	case manifest.IdentitySingle, manifest.IdentityRange:
	default:
		c.that(false, "identity.mode: %q is not an identity mode", r.Identity.Mode)
	}
	c.that(r.Peaks.Memory >= 0 && r.Peaks.Written >= 0 && r.Peaks.Shared >= 0 && r.Peaks.PIDs >= 0 && r.Peaks.MilliCPU >= 0, "peaks: negative")

	for i, call := range r.Calls {
		at := fmt.Sprintf("calls[%d]", i)
		c.seen(at, call.Seen)
		c.that(call.Architecture != "", "%s.architecture: missing", at)
		c.that(call.Number >= 0, "%s.number: %d is negative", at, call.Number)
		for j, v := range call.Values {
			c.seen(fmt.Sprintf("%s.values[%d]", at, j), v.Seen)
			for _, a := range v.Args {
				c.that(a.Arg >= 0 && a.Arg <= 5, "%s.values[%d]: argument %d is not from 0 to 5", at, j, a.Arg)
			}
		}
	}
	for i, p := range r.Programs {
		at := fmt.Sprintf("programs[%d]", i)
		c.seen(at, p.Seen)
		c.path(at+".path", p.Path)
		if p.Interpreter != "" {
			c.path(at+".interpreter", p.Interpreter)
		}
	}
	for i, p := range r.Libraries {
		c.path(fmt.Sprintf("libraries[%d]", i), p)
	}
	for i, f := range r.Files {
		at := fmt.Sprintf("files[%d]", i)
		c.seen(at, f.Seen)
		c.path(at+".path", f.Path)
		for _, a := range f.Access {
			c.that(isAccess(a), "%s.access: unknown access %q", at, a)
		}
	}
	for i, f := range r.Reads {
		at := fmt.Sprintf("reads[%d]", i)
		c.seen(at, f.Seen)
		c.path(at+".path", f.Path)
	}
	for i, d := range r.Devices {
		at := fmt.Sprintf("devices[%d]", i)
		c.seen(at, d.Seen)
		c.path(at+".path", d.Path)
	}
	r.validateSockets(&c)
	r.validateNames(&c)
	r.validateProcesses(&c)
	return c.err
}

func (r *Record) validateSockets(c *checker) {
	for i, s := range r.Connects {
		at := fmt.Sprintf("connects[%d]", i)
		c.seen(at, s.Seen)
		c.that(s.Family == "inet" || s.Family == "inet6" || s.Family == "unix", "%s.family: unknown family %q", at, s.Family)
		c.that(s.Family == "unix" || isProtocol(s.Protocol) || s.Protocol == string(manifest.ICMP), "%s.protocol: unknown protocol %q", at, s.Protocol)
	}
	for i, s := range r.Binds {
		at := fmt.Sprintf("binds[%d]", i)
		c.seen(at, s.Seen)
		c.that(s.Family == "inet" || s.Family == "inet6", "%s.family: unknown family %q", at, s.Family)
		c.that(isProtocol(s.Protocol), "%s.protocol: unknown protocol %q", at, s.Protocol)
	}
}

func (r *Record) validateNames(c *checker) {
	for i, n := range r.Names {
		at := fmt.Sprintf("names[%d]", i)
		c.seen(at, n.Seen)
		c.that(n.Name != "", "%s.name: missing", at)
		for _, a := range n.Addresses {
			_, err := netip.ParseAddr(a)
			c.that(err == nil, "%s.addresses: %q is not an IP address", at, a)
		}
	}
}

func (r *Record) validateProcesses(c *checker) {
	for i, d := range r.IDs {
		at := fmt.Sprintf("ids[%d]", i)
		c.seen(at, d.Seen)
		c.that(isIDKind(d.Kind), "%s.kind: unknown kind %q", at, d.Kind)
	}
	for i, d := range r.Capabilities {
		at := fmt.Sprintf("capabilities[%d]", i)
		c.seen(at, d.Seen)
		c.that(strings.HasPrefix(d.Name, "CAP_"), "%s.name: %q is not a capability", at, d.Name)
	}
	for i, s := range r.Signals {
		at := fmt.Sprintf("signals[%d]", i)
		c.seen(at, s.Seen)
		c.that(s.Number >= 0 && s.Number <= 64, "%s.number: %d is not from 0 to 64", at, s.Number)
		c.that(s.Call == "" || isSignalling(s.Call), "%s.call: %q sends no signals", at, s.Call)
		c.that(s.To == OwnGroup || s.To == OtherGroup || s.To == Everyone, "%s.to: unknown target %q", at, s.To)
	}
	for i, l := range r.Limits {
		at := fmt.Sprintf("limits[%d]", i)
		c.seen(at, l.Seen)
		c.that(l.Resource == "nofile", "%s.resource: unknown resource %q", at, l.Resource)
	}
}

// checker keeps the first thing that does not hold.
type checker struct{ err error }

func (c *checker) that(ok bool, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
}

func (c *checker) seen(at string, s Seen) {
	c.that(s.Count > 0, "%s.count: 0", at)
	c.that(s.Check <= s.Count, "%s.check: %d is more than the count", at, s.Check)
	c.that(s.First >= 0 && s.First <= MaxDuration, "%s.first: %d is not from 0 to %d", at, s.First, int64(MaxDuration))
	c.that(len(s.Programs) <= MaxPrograms, "%s.programs: more than %d", at, MaxPrograms)
}

func (c *checker) path(at, p string) {
	c.that(path.IsAbs(p) && path.Clean(p) == p, "%s: %q is not an absolute, clean path", at, p)
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

func isAccess(a Access) bool {
	switch a {
	case Write, Create, MakeDir, Remove, Rename, Metadata, Below:
		return true
	}
	return false
}

func isSignalling(call string) bool {
	switch call {
	case "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal":
		return true
	}
	return false
}

func isIDKind(k string) bool {
	switch k {
	case "uid", "gid", "group", "owner", "ownergroup":
		return true
	}
	return false
}

// isProtocol takes the two protocols with ports that a manifest can name, and
// "raw" for every other socket of an internet family.
func isProtocol(p string) bool { return p == "tcp" || p == "udp" || p == "raw" }
