package cmd

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/review"
)

func newExplain(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [IMAGE|FILE] [PERMISSION]...",
		Short: "Say what a permission means, rests on and leaves open",
		Long: `Explain answers for each permission of a manifest: what a program with it could
do and how bad that is, why its author asks for it, which program used it, in
which run, when first and how often, and which known vulnerabilities of Linux it
leaves open. PERMISSION is an ID, as inspect prints it, or one without its
particulars, such as syscall:socket. With IDs the answer is full, except that of
many vulnerabilities the worst are shown, unless --all is given; without any, all
permissions are listed with an answer in brief.

What was watched is taken from the records of runs that are attached to IMAGE,
as lpm attach --evidence does it, and from those of --evidence. A permission that
none of them shows is "not in any record". Which are needed is taken from trials
that are attached, as lpm attach --trials does it.

A vulnerability is left open when the manifest allows everything that it takes:
system calls with the arguments that matter, capabilities, namespaces. It says
how much of the kernel is within reach, and not that this machine's kernel has
the fault: each was mended in the release given. The count beside Docker's is of
the same table.

Alone, a permission is explained from the catalogue: syscall:NAME,
capability:CAP_NAME, execute:PATH, read:PATH, write:PATH, device:PATH,
identity:range, network:private and network:host.`,
		Example: `  lpm explain redis
  lpm explain redis network:host
  lpm explain redis.cue syscall:socket --evidence redis.json
  lpm explain syscall:ptrace`,
		Args: needs("IMAGE|FILE|PERMISSION", "[PERMISSION...]"),
	}
	form := addOutput(c)
	var o explainFlags
	c.Flags().BoolVar(&o.insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.Flags().BoolVar(&o.all, "all", false, "show all vulnerabilities of a permission")
	c.Flags().StringArrayVar(&o.evidence, "evidence", nil, "take this `RECORD` of a run into account")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.form = *form
		if len(args) == 1 && inCatalogueKind(args[0]) {
			if len(o.evidence) > 0 {
				return usagef("name the manifest before it: lpm explain IMAGE "+args[0], "--evidence is about a manifest, and %q alone is of the catalogue", args[0])
			}
			x, err := inCatalogue(args[0])
			if err != nil {
				return err
			}
			return s.printExplained(x, x.permissions, o)
		}
		x, err := s.explained(c.Context(), args[0], o)
		if err != nil {
			return err
		}
		if len(args) == 1 {
			return s.printOverview(x, o)
		}
		found, err := x.named(args[0], args[1:])
		if err != nil {
			return err
		}
		return s.printExplained(x, found, o)
	}
	return c
}

// explainFlags are the flags of lpm explain.
type explainFlags struct {
	form          output
	insecure, all bool
	evidence      []string
}

// explained reads a manifest, the records of runs that belong to it, and
// explains the one by the others.
func (s *session) explained(ctx context.Context, name string, o explainFlags) (*explanation, error) {
	records, err := readRecords(o.evidence)
	if err != nil {
		return nil, err
	}
	x := &explanation{Name: name}
	var m *manifest.Manifest
	var trials []keptTrials
	if isFile(name) {
		if m, err = readManifest(name); err != nil {
			return nil, err
		}
		if err := checkRecords(records, x.Image, m.Syscalls.Architecture); err != nil {
			return nil, err
		}
	} else {
		st, err := s.store()
		if err != nil {
			return nil, err
		}
		p, err := s.place(ctx, st, name, o.insecure)
		if err != nil {
			return nil, err
		}
		valid, _, err := review.Manifests(ctx, p.target, p.Subject)
		if err != nil {
			return nil, err
		}
		m, x.Image = valid[len(valid)-1].Manifest, p.Digest
		if err := checkRecords(records, x.Image, m.Syscalls.Architecture); err != nil {
			return nil, err
		}
		attached, err := s.attachedRecords(ctx, p.target, x.Image, m.Syscalls.Architecture)
		if err != nil {
			return nil, err
		}
		records = append(s.agreeing(attached, records), records...)
		if trials, err = s.attachedTrials(ctx, p.target, x.Image); err != nil {
			return nil, err
		}
	}
	if x, err = s.explainedBy(ctx, x, m, records); err != nil {
		return nil, err
	}
	x.try(trials)
	return x, nil
}

// explainedBy explains a manifest by records, and returns x.
func (s *session) explainedBy(ctx context.Context, x *explanation, m *manifest.Manifest, records []keptRecord) (*explanation, error) {
	records = distinct(records)
	proposal, err := s.proposalOf(ctx, records)
	if err != nil {
		return nil, err
	}
	return x.of(m, proposal, records), nil
}

// named returns the permissions that the IDs name.
func (x *explanation) named(name string, ids []string) ([]explainedPermission, error) {
	var found []explainedPermission
	for _, id := range ids {
		matching := slices.DeleteFunc(slices.Clone(x.permissions), func(p explainedPermission) bool {
			return p.ID != id && !strings.HasPrefix(p.ID, id+"(")
		})
		if len(matching) == 0 {
			return nil, &notAskedError{name: name, id: id}
		}
		found = append(found, matching...)
	}
	return found, nil
}

// notAskedError is a permission that a manifest does not ask for.
type notAskedError struct{ name, id string }

func (e *notAskedError) Error() string { return fmt.Sprintf("%s does not ask for %q", e.name, e.id) }

func (e *notAskedError) Unwrap() error { return manifest.ErrUnknownPermission }

// Hint tells how to learn more.
func (e *notAskedError) Hint() string {
	if !inCatalogueKind(e.id) {
		return "what it asks for: lpm explain " + e.name
	}
	return "what it would mean: lpm explain " + e.id
}

// inCatalogueKind reports whether an argument is a permission and not an image
// or a file: its kind is before everything else that it could be.
func inCatalogueKind(arg string) bool {
	kind, _, is := strings.Cut(arg, ":")
	return is && slices.Contains([]string{"syscall", "capability", "execute", "read", "write", "device", "identity", "network"}, kind)
}

// inCatalogue explains the permission that an ID names, from a manifest that
// asks for nothing else.
func inCatalogue(id string) (*explanation, error) {
	kind, what, _ := strings.Cut(id, ":")
	m := &manifest.Manifest{Version: manifest.Version, Syscalls: manifest.Syscalls{Architecture: runtime.GOARCH, Kernel: manifest.KnownKernel}}
	m.Identity.Mode, m.Network.Mode = manifest.IdentitySingle, manifest.NetworkNone
	switch kind {
	case "syscall":
		m.Syscalls.Allow = []manifest.Syscall{{Name: what}}
	case "capability":
		m.Capabilities = []manifest.Capability{{Name: what}}
	case "execute":
		m.Execute = []manifest.Program{{Path: what}}
	case "read":
		m.Filesystem.Readable = []manifest.ReadablePath{{Path: what}}
	case "write":
		m.Filesystem.Writable = []manifest.WritablePath{{Path: what}}
	case "device":
		m.Devices = []manifest.Device{{Path: what}}
	case "identity":
		m.Identity.Mode = manifest.IdentityMode(what)
	case "network":
		m.Network.Mode = manifest.NetworkMode(what)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("explaining %q: %w", id, err)
	}
	x := new(explanation).of(m, nil, nil)
	x.permissions = slices.DeleteFunc(x.permissions, func(p explainedPermission) bool { return p.ID != id })
	if len(x.permissions) == 0 {
		return nil, usagef("see: lpm explain --help", "%q is no permission of the catalogue", id)
	}
	return x, nil
}
