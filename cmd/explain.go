package cmd

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/manifest"
)

func newExplain(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [IMAGE|FILE] PERMISSION...",
		Short: "Say what a permission means",
		Long: `Explain says in plain words what a program with a permission could do, how bad
that is, and, of a manifest, why its author asks for it. PERMISSION is an ID, as
inspect prints it, or one without its particulars, such as syscall:socket.

Alone, a permission is explained from the catalogue: syscall:NAME,
capability:CAP_NAME, execute:PATH, read:PATH, write:PATH, device:PATH,
identity:range, network:private and network:host.`,
		Example: `  lpm explain syscall:ptrace
  lpm explain redis network:host`,
		Args: needs("[IMAGE|FILE]", "PERMISSION..."),
	}
	form := addOutput(c)
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		var found []manifest.Permission
		var err error
		if len(args) == 1 {
			found, err = inCatalogue(args[0])
		} else {
			var m *manifest.Manifest
			if m, err = s.manifestOf(c.Context(), args[0], *insecure); err == nil {
				found, err = inManifest(m, args[0], args[1:])
			}
		}
		if err != nil {
			return err
		}
		if *form == asJSON {
			return s.term.JSON(found)
		}
		for _, p := range found {
			s.term.Printf("%s, %s\n", groupTitle(p.Group), s.term.Level(p.Level))
			s.printPermission(p, "")
		}
		return nil
	}
	return c
}

// inManifest returns the permissions of a manifest that the IDs name.
func inManifest(m *manifest.Manifest, name string, ids []string) ([]manifest.Permission, error) {
	var found []manifest.Permission
	permissions := m.Permissions()
	for _, id := range ids {
		matching := slices.DeleteFunc(slices.Clone(permissions), func(p manifest.Permission) bool {
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
	return "what it would mean: lpm explain " + e.id
}

// inCatalogue returns the permission that an ID names, from a manifest that
// asks for nothing else.
func inCatalogue(id string) ([]manifest.Permission, error) {
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
	default:
		return nil, usagef("see: lpm explain --help", "%q is no permission of the catalogue", id)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("explaining %q: %w", id, err)
	}
	for _, p := range m.Permissions() {
		if p.ID == id {
			return []manifest.Permission{p}, nil
		}
	}
	return nil, usagef("see: lpm explain --help", "%q is no permission of the catalogue", id)
}
