package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/approval"
)

const (
	// passphraseVariable is the environment variable that holds the passphrase
	// of the key that signs, for automation.
	passphraseVariable = "LPM_KEY_PASSPHRASE"
	// maxPassphrase is the greatest size of a passphrase, in bytes.
	maxPassphrase = 4096
)

// keyFlags say which key signs.
type keyFlags struct{ key, passphraseFile string }

func addKey(c *cobra.Command) *keyFlags {
	f := new(keyFlags)
	c.Flags().StringVar(&f.key, "key", "", "sign with the key `NAME`, or the one in the file NAME where it has a slash")
	addPassphrase(c, &f.passphraseFile)
	return f
}

func addPassphrase(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "passphrase-file", "", "read the key's passphrase from `FILE` (default: from "+passphraseVariable+", or else it is asked for)")
}

// passphraseOf returns where the passphrase of a private key's file comes from.
func (s *session) passphraseOf(ctx context.Context, key, file string) approval.Passphrase {
	return func() ([]byte, error) {
		given, err := givenPassphrase(file)
		if given != nil || err != nil {
			return given, err
		}
		text, err := s.term.Secret(ctx, "Passphrase of "+render.Escape(key)+":")
		return []byte(text), unattended(err)
	}
}

// newPassphrase returns the passphrase of a key that is to be written: none
// where nobody can be asked.
func (s *session) newPassphrase(ctx context.Context, file string) ([]byte, error) {
	given, err := givenPassphrase(file)
	if given != nil || err != nil || !s.term.Interactive() {
		return given, err
	}
	return s.askNewPassphrase(ctx)
}

// askNewPassphrase asks twice; empty is none.
func (s *session) askNewPassphrase(ctx context.Context) ([]byte, error) {
	for {
		first, err := s.term.Secret(ctx, "Passphrase (empty for none):")
		if err != nil || first == "" {
			return nil, err
		}
		again, err := s.term.Secret(ctx, "The same again:")
		if err != nil {
			return nil, err
		}
		if first == again {
			return []byte(first), nil
		}
		fmt.Fprintln(s.term.Err, "The two are not the same.")
	}
}

// givenPassphrase returns the passphrase from a file or from the environment;
// nil where neither has one.
func givenPassphrase(file string) ([]byte, error) {
	if file == "" {
		if text := os.Getenv(passphraseVariable); text != "" {
			return []byte(text), nil
		}
		return nil, nil
	}
	text, err := readBounded(file, maxPassphrase)
	if err != nil {
		return nil, err
	}
	if len(text) > maxPassphrase {
		return nil, fmt.Errorf("%s is larger than a passphrase can be, %d bytes", file, maxPassphrase)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

// unattended says how a passphrase is given where nobody can be asked for it.
func unattended(err error) error {
	if !errors.Is(err, render.ErrNoTerminal) {
		return err
	}
	return usagef("give it in "+passphraseVariable+" or with --passphrase-file", "the key is encrypted, and %w for its passphrase", err)
}
