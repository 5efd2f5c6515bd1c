// Package seal checks a kept approval again.
//
// Reading an approval in full takes a JSON library of protocol buffers, X.509
// and the store; a launch has no time for them. Package approval reads it once
// and makes a [Seal] of it: the signed statement, its signature and the key,
// of each reviewer whose approval is needed, with the state of the folders that
// say who is trusted. As long as those are as they were, [Seal.Check] proves at
// each launch that the keys have signed just this image and manifest, and that
// no approval has ended. What could have revoked it is in the store's index: whoever keeps a
// seal keeps the index's digest with it.
//
// In doubt a check fails, and the approval is read in full again.
package seal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Seal is an approval in the form in which it is checked again. It is data.
type Seal struct {
	// Statements are all that have to hold, at least one.
	Statements []Statement
	// Folders are the folders of trusted keys, and Files all files in them
	// that say who is trusted.
	Folders []Folder
	Files   []File
	// Image, Manifest and Permissions are the digests that the statement has
	// to be of: the image, the artifact and the canonical permissions.
	Image, Manifest, Permissions string
}

// Statement is one signed approval.
type Statement struct {
	// Payload is the in-toto statement, as it was signed.
	Payload []byte
	// Signature is over the DSSE pre-authentication encoding of the payload:
	// of Ed25519, or of ECDSA on P-256 with SHA-256 in ASN.1.
	Signature []byte
	// Key is the public key: 32 bytes are of Ed25519 (RFC 8032), 65 a point
	// on P-256, not compressed (SEC 1, 2.3.3).
	Key []byte
}

// File is a file as it was read.
type File struct {
	Path string
	Text []byte
}

// Folder is the state of a folder of trusted keys.
type Folder struct {
	Path, State string
}

// ErrStale says that a seal does not hold any more, or that this package
// cannot tell. The approval may be in force all the same.
var ErrStale = errors.New("the approval has to be read again")

// PayloadType is the DSSE payload type of in-toto statements.
const PayloadType = "application/vnd.in-toto+json"

// PredicateType names the predicate of an approval.
const PredicateType = "https://github.com/least-privilege/lpm/approval/v1"

// Skew is how far ahead of this machine's clock a reviewer's may be.
const Skew = 5 * time.Minute

// Look returns the state of a folder of trusted keys, which changes when a
// file in it comes, goes or is replaced.
func Look(path string) (Folder, error) {
	f := Folder{Path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.State = "absent"
		return f, nil
	}
	if err != nil {
		return f, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return f, fmt.Errorf("%s: no file status", path)
	}
	f.State = fmt.Sprintf("%d:%d %o %d.%09d %d.%09d", stat.Dev, stat.Ino, stat.Mode,
		stat.Mtim.Sec, stat.Mtim.Nsec, stat.Ctim.Sec, stat.Ctim.Nsec)
	return f, nil
}

// statement is what matters here of an in-toto Statement v1 with the predicate
// of an approval.
type statement struct {
	PredicateType string `json:"predicateType"`
	Subject       []struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	Predicate struct {
		Decision    string `json:"decision"`
		Permissions string
		Time        time.Time `json:"time"`
		Expires     time.Time `json:"expires"`
	} `json:"predicate"`
}

// Check proves the approval once more. Every error is an [ErrStale].
func (s *Seal) Check(now time.Time) error {
	if err := s.trusted(); err != nil {
		return fmt.Errorf("%w: %w", ErrStale, err)
	}
	if len(s.Statements) == 0 {
		return fmt.Errorf("%w: nobody approved", ErrStale)
	}
	for _, one := range s.Statements {
		if err := one.signed(); err != nil {
			return fmt.Errorf("%w: %w", ErrStale, err)
		}
		if err := s.inForce(one, now); err != nil {
			return fmt.Errorf("%w: %w", ErrStale, err)
		}
	}
	return nil
}

// trusted proves that those are trusted who were, and nobody else.
func (s *Seal) trusted() error {
	for _, was := range s.Folders {
		is, err := Look(was.Path)
		if err != nil {
			return err
		}
		if is != was {
			return fmt.Errorf("the trusted keys in %s have changed", was.Path)
		}
	}
	for _, file := range s.Files {
		info, err := os.Stat(file.Path)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 || !info.Mode().IsRegular() {
			return fmt.Errorf("everyone can change %s", file.Path)
		}
		text, err := os.ReadFile(file.Path)
		if err != nil {
			return err
		}
		if !bytes.Equal(text, file.Text) {
			return fmt.Errorf("%s is another", file.Path)
		}
	}
	return nil
}

// Encoding returns the pre-authentication encoding of a payload, as the DSSE
// protocol defines it.
func Encoding(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(PayloadType), PayloadType, len(payload), payload)
}

func (s *Statement) signed() error {
	message, valid := Encoding(s.Payload), false
	switch len(s.Key) {
	case ed25519.PublicKeySize:
		valid = ed25519.Verify(s.Key, message, s.Signature)
	default:
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), s.Key)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(message)
		valid = ecdsa.VerifyASN1(key, sum[:], s.Signature)
	}
	if !valid {
		return errors.New("the signature does not fit the statement")
	}
	return nil
}

// inForce proves that the statement is of the image and manifest, and holds.
func (s *Seal) inForce(one Statement, now time.Time) error {
	var t statement
	if err := json.Unmarshal(one.Payload, &t); err != nil {
		return err
	}
	p := t.Predicate
	switch {
	case t.PredicateType != PredicateType || p.Decision != "approve":
		return errors.New("the statement is no approval")
	case len(t.Subject) != 2 || "sha256:"+t.Subject[0].Digest["sha256"] != s.Image || "sha256:"+t.Subject[1].Digest["sha256"] != s.Manifest || p.Permissions != s.Permissions:
		return errors.New("the statement is of another image or manifest")
	case p.Time.IsZero() || p.Time.After(now.Add(Skew)):
		return errors.New("the approval is of the future")
	case !p.Expires.IsZero() && !now.Before(p.Expires):
		return errors.New("the approval has expired")
	}
	return nil
}
