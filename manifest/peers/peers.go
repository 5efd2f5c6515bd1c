// Package peers says a manifest's network section in the words of others:
// Kubernetes, nftables, systemd.
//
// None of them can say all of it. What comes out grants what the manifest
// grants; where a peer cannot say that, it grants less rather than more, unless
// saying anything at all means more. Each such place is a [Gap], and is written
// into the text as well, which whoever loads it reads first.
//
// The package is pure, and its texts depend on the manifest and the name alone.
package peers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Peer is what holds a program to the exported text.
type Peer string

const (
	// NetworkPolicy is a NetworkPolicy of networking.k8s.io/v1, in YAML, for
	// pods with a network of their own.
	NetworkPolicy Peer = "networkpolicy"
	// NFTables is a table for nft -f, to be loaded in the program's own network
	// namespace.
	NFTables Peer = "nftables"
	// Systemd is a drop-in for a unit, as systemd.resource-control(5) and
	// systemd.exec(5) have it.
	Systemd Peer = "systemd"
)

// Peers returns all peers, sorted.
func Peers() []Peer { return []Peer{NetworkPolicy, NFTables, Systemd} }

// Effect is how a peer's text differs from the manifest.
type Effect string

const (
	// Missing says that the text does not grant a permission, or only after a
	// person has completed it.
	Missing Effect = "missing"
	// Wider says that the text grants more than the permission.
	Wider Effect = "wider"
)

// Gap is a permission that a peer cannot hold to the manifest.
type Gap struct {
	// Permission is the ID.
	Permission string `json:"permission"`
	Effect     Effect `json:"effect"`
	// Why is half a sentence without a full stop.
	Why string `json:"why"`
}

// Export is a manifest's network section as a peer has it.
type Export struct {
	Peer Peer `json:"peer"`
	// Manifest is the digest of the manifest.
	Manifest string `json:"manifest"`
	// Text is what the peer reads. It ends in a newline, and has no character
	// that cannot be printed but for others of these.
	Text string `json:"text"`
	// Gaps are in the order of the manifest's canonical form.
	Gaps []Gap `json:"gaps"`
}

// ErrName is returned by [New] for a name that is not of lower-case letters,
// digits and dashes, or longer than 63.
var ErrName = errors.New("expected a name of at most 63 lower-case letters, digits and dashes")

// New exports a manifest. The name is that of the program: see [Name].
//
// The error is that of [manifest.Manifest.Validate], or wraps [ErrName], or tells
// that the peer is not known.
func New(m *manifest.Manifest, to Peer, name string) (*Export, error) {
	if !isName(name) {
		return nil, fmt.Errorf("%w, not %q", ErrName, name)
	}
	s, err := read(m)
	if err != nil {
		return nil, err
	}
	text := ""
	switch to {
	case NetworkPolicy:
		text, err = s.networkPolicy(name)
	case NFTables:
		text = s.nftables(name)
	case Systemd:
		text = s.systemd()
	default:
		return nil, fmt.Errorf("%q is none of the peers %q", to, Peers())
	}
	if err != nil {
		return nil, err
	}
	return &Export{Peer: to, Manifest: s.digest, Text: s.header(to) + text, Gaps: s.gaps}, nil
}

// section is a network section on its way to a peer.
type section struct {
	manifest.Network
	manifest *manifest.Manifest
	digest   string
	// ids are those of the permissions, by their place in the manifest.
	ids  map[string]string
	gaps []Gap
	// notes are what a person must know who loads the text.
	notes []string
}

// read returns the section in its canonical form, in which equal manifests are
// equal.
func read(m *manifest.Manifest) (*section, error) {
	data, err := m.Canonical()
	if err != nil {
		return nil, err
	}
	canonical, err := manifest.Parse(data)
	if err != nil {
		return nil, err
	}
	digest, err := m.Digest()
	if err != nil {
		return nil, err
	}
	s := &section{Network: canonical.Network, manifest: canonical, digest: digest, ids: map[string]string{}, gaps: []Gap{}}
	for _, p := range canonical.Permissions() {
		s.ids[p.Path] = p.ID
	}
	return s, nil
}

func (s *section) egressID(i int) string { return s.ids[fmt.Sprintf("network.egress[%d]", i)] }

func (s *section) listenID(i int) string { return s.ids[fmt.Sprintf("network.listen[%d]", i)] }

func (s *section) gap(id string, effect Effect, why string) {
	s.gaps = append(s.gaps, Gap{id, effect, why})
}

func (s *section) note(text string) { s.notes = append(s.notes, text) }

// published reports whether a port is to be reached from outside.
func (s *section) published(l manifest.Listen) bool {
	return l.Publish || s.Mode == manifest.NetworkHost
}

// byName reports whether any destination is a name, so that names have to be
// looked up.
func (s *section) byName() bool {
	return slices.ContainsFunc(s.Egress, func(e manifest.Egress) bool { return e.Host != "" })
}
