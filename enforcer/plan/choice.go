package plan

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Volume chooses what is mounted at a path for which the manifest grants a
// mount.
type Volume struct {
	// Source is an absolute path of the host, or the name of a volume.
	Source string
	Path   string
	// ReadOnly takes the right to write away.
	ReadOnly bool
}

// Port chooses how a port of the container can be reached.
type Port struct {
	// Address is the host's address to be reached at; empty is any.
	Address string
	// Host and Container are the port's numbers there and inside.
	Host, Container uint16
	Protocol        manifest.Protocol
}

// ChoiceError says that a choice of the caller is not within what the manifest
// grants.
type ChoiceError struct {
	// Choice is the flag with its value.
	Choice string
	// Problem and Advice say what is wrong, and what can be done.
	Problem, Advice string
}

func (e *ChoiceError) Error() string { return e.Choice + ": " + e.Problem }

// Hint tells the way out.
func (e *ChoiceError) Hint() string { return e.Advice }

// Mounts returns the manifest's mounts as the caller chose them. A choice
// never adds a right: it can take the right to write, leave an optional mount
// out, and say where a volume is, whose place in the container and access were
// granted, and whose content is the caller's. A folder of the host that the
// manifest names is that folder and no other.
//
// Without a manifest, in record mode, the choices are all there is.
func Mounts(m *manifest.Manifest, o Options) ([]manifest.Mount, error) {
	var list []manifest.Mount
	if m != nil {
		list = slices.Clone(m.Mounts)
	}
	for _, p := range o.NoMounts {
		i := mountAt(list, p)
		switch {
		case i < 0:
			return nil, noMount("--no-mount "+p, p)
		case !list[i].Optional:
			return nil, &ChoiceError{"--no-mount " + p, "the image needs this mount", "a manifest says with optional: true which mounts can be left out"}
		}
		list = slices.Delete(list, i, i+1)
	}
	chosen := map[string]bool{}
	for _, v := range o.Volumes {
		if chosen[v.Path] {
			return nil, &ChoiceError{v.flag(), "there is another --volume for this path", ""}
		}
		chosen[v.Path] = true
		i := mountAt(list, v.Path)
		switch {
		case i < 0 && m != nil:
			return nil, noMount(v.flag(), v.Path)
		case i < 0:
			list, i = append(list, manifest.Mount{Path: v.Path, Volume: "any", Write: true}), len(list)
		}
		if err := v.apply(&list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func mountAt(list []manifest.Mount, p string) int {
	return slices.IndexFunc(list, func(m manifest.Mount) bool { return m.Path == p })
}

func noMount(choice, p string) error {
	return &ChoiceError{choice, fmt.Sprintf("the manifest grants no mount at %q", p), "lpm inspect shows its mounts; another one has to be in the manifest, and approved"}
}

func (v Volume) flag() string {
	flag := "--volume " + v.Source + ":" + v.Path
	if v.ReadOnly {
		flag += ":ro"
	}
	return flag
}

func (v Volume) apply(m *manifest.Mount) error {
	switch {
	case !m.Write && !v.ReadOnly:
		return &ChoiceError{v.flag(), "the manifest grants this mount read-only", "to mount it so: " + v.flag() + ":ro"}
	case m.Host != "" && v.Source != m.Host:
		return &ChoiceError{v.flag(), fmt.Sprintf("the manifest grants the host's %q here, and nothing else", m.Host), "another folder can be chosen where a manifest has a volume"}
	case m.Host != "":
	case v.Source == "/":
		return &ChoiceError{v.flag(), "with the whole host goes its /proc, and what it says and does of every process", "name a folder"}
	case path.IsAbs(v.Source):
		if err := manifest.CheckHostPath(v.Source); err != nil {
			return &ChoiceError{v.flag(), err.Error(), ""}
		}
		m.Volume, m.Host = "", v.Source
	case manifest.IsVolumeName(v.Source):
		m.Volume = v.Source
	default:
		return &ChoiceError{v.flag(), "this is neither an absolute path nor the name of a volume", "names are of lower-case letters, digits, dots, dashes and underscores"}
	}
	m.Write = m.Write && !v.ReadOnly
	return nil
}

// publish holds the published ports against the network. On the host's, every
// port that the container listens on is the host's own; on a private one, a port
// is published where the manifest asks for that and the caller wants it.
func (b *builder) publish() error {
	for _, p := range b.Options.Ports {
		flag := p.flag()
		i := slices.IndexFunc(b.Manifest.Network.Listen, func(l manifest.Listen) bool {
			return l.Port == p.Container && l.Protocol == p.Protocol
		})
		switch granted := i >= 0; {
		case b.networkMode() == manifest.NetworkNone:
			return &ChoiceError{flag, "the manifest grants no network, so that there is nothing to publish", "network: {mode: \"private\", listen: [{port: …, publish: true}]} grants a port that can be published"}
		case !granted:
			return &ChoiceError{flag, fmt.Sprintf("the manifest does not grant to listen on port %d/%s", p.Container, p.Protocol), "lpm inspect shows the ports that it grants"}
		case b.private():
			if err := p.reachable(flag, b.Manifest.Network.Listen[i]); err != nil {
				return err
			}
		case p.Host != p.Container:
			return &ChoiceError{flag, "on the host's network a port has the number that the program gives it", fmt.Sprintf("have the program listen on port %d, and the manifest grant that", p.Host)}
		case p.Address != "":
			return &ChoiceError{flag, "on the host's network the address is the program's to choose", "leave the address out"}
		}
	}
	return nil
}

// flag is what a caller writes for a published port.
func (p Port) flag() string {
	ports := fmt.Sprintf("%d:%d/%s", p.Host, p.Container, p.Protocol)
	switch {
	case p.Address == "":
		return "--publish " + ports
	case strings.Contains(p.Address, ":"):
		return "--publish [" + p.Address + "]:" + ports
	}
	return "--publish " + p.Address + ":" + ports
}

// reachable reports what is wrong with a port to be published from a private
// network.
func (p Port) reachable(flag string, l manifest.Listen) error {
	if !l.Publish {
		return &ChoiceError{flag, fmt.Sprintf("the manifest grants to listen on port %d/%s, and not that it is reached from outside", p.Container, p.Protocol), "publish: true in the manifest grants that"}
	}
	if p.Address != "" {
		if _, err := netip.ParseAddr(p.Address); err != nil {
			return &ChoiceError{flag, fmt.Sprintf("%q is no IP address", p.Address), "an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all"}
		}
	}
	return nil
}
