package approval

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// Seal returns the grant's approvals in the form in which a launch checks them
// again. dirs are the folders that trust is read from, with [LoadTrust], and
// repository is whose the image is.
func (g *Grant) Seal(repository string, dirs ...string) (*seal.Seal, error) {
	s := &seal.Seal{
		Image: g.Approval.ImageDigest.String(), Manifest: g.Approval.ManifestDigest.String(),
		Permissions: g.Approval.PermissionsDigest.String(),
	}
	for _, dir := range dirs {
		// Before its files are read, so that a change meanwhile is seen.
		folder, err := seal.Look(dir)
		if err != nil {
			return nil, fmt.Errorf("reading trusted keys: %w", err)
		}
		s.Folders = append(s.Folders, folder)
	}
	all, err := LoadTrust(dirs...)
	if err != nil {
		return nil, err
	}
	for _, f := range all.files {
		s.Files = append(s.Files, seal.File{Path: f.path, Text: f.text})
	}
	quorum := all.For(repository)
	for _, r := range quorum.Requirements() {
		if have := g.of(r); have < r.Threshold {
			return nil, fmt.Errorf("the trusted keys have changed: %d approvals of the %d that are needed", have, r.Threshold)
		}
	}
	for _, d := range g.Deciding {
		key, known := quorum.byID(d.Approval.Reviewer.Key)
		if !known {
			return nil, &UnknownKeyError{ID: d.Approval.Reviewer.Key}
		}
		e, err := decodeBundle(d.Bundle)
		if err != nil {
			return nil, err
		}
		raw, err := key.raw()
		if err != nil {
			return nil, err
		}
		s.Statements = append(s.Statements, seal.Statement{Payload: e.payload, Signature: e.sig, Key: raw})
	}
	return s, nil
}

// of returns how many of a requirement's keys have approved.
func (g *Grant) of(r Requirement) int {
	n := 0
	for _, d := range g.Deciding {
		if r.Has(d.Approval.Reviewer.Key) {
			n++
		}
	}
	return n
}

// raw returns the key as package seal takes it.
func (k PublicKey) raw() ([]byte, error) {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return key, nil
	case *ecdsa.PublicKey:
		return key.Bytes()
	}
	return nil, fmt.Errorf("key of type %T is neither Ed25519 nor ECDSA", k.key)
}
