package approval

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"path/filepath"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// Seal returns the grant's approval in the form in which a launch checks it
// again. dirs are the folders that the trusted keys were read from, with
// [LoadTrust].
func (g *Grant) Seal(dirs ...string) (*seal.Seal, error) {
	e, err := decodeBundle(g.Bundle)
	if err != nil {
		return nil, err
	}
	s := &seal.Seal{
		Payload: e.payload, Signature: e.sig,
		Image: g.Approval.ImageDigest.String(), Manifest: g.Approval.ManifestDigest.String(),
		Permissions: g.Approval.PermissionsDigest.String(),
	}
	for _, dir := range dirs {
		// Before its keys are read, so that a change meanwhile is seen.
		folder, err := seal.Look(dir)
		if err != nil {
			return nil, fmt.Errorf("reading trusted keys: %w", err)
		}
		s.Folders = append(s.Folders, folder)
		keys, err := loadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("reading trusted keys: %w", err)
		}
		for _, k := range keys {
			if s.Key != nil || k.ID() != g.Approval.Reviewer.Key {
				continue
			}
			s.KeyFile = filepath.Join(dir, k.Name+publicSuffix)
			if s.KeyText, err = readKeyFile(s.KeyFile, 0o002, 0o644); err != nil {
				return nil, fmt.Errorf("reading trusted keys: %w", err)
			}
			if s.Key, err = k.raw(); err != nil {
				return nil, err
			}
		}
	}
	if s.Key == nil {
		return nil, &UnknownKeyError{g.Approval.Reviewer.Key}
	}
	return s, nil
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
