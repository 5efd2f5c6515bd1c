package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
)

func newKeyPassphrase(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "passphrase [NAME]",
		Short: "Change the passphrase of a key",
		Long: `Passphrase encrypts the private key called NAME anew, with another passphrase or,
where that is empty, with none. It asks for the present one, if there is one, and
twice for the new one; --passphrase-file and ` + passphraseVariable + ` give the present
one, and --new-passphrase-file the new one, without a question.`,
		Args: needs("[NAME]"),
	}
	var file, newFile string
	addPassphrase(c, &file)
	c.Flags().StringVar(&newFile, "new-passphrase-file", "", "read the new passphrase from `FILE`; an empty one removes it")
	c.RunE = func(c *cobra.Command, args []string) error {
		if newFile == "" && !s.term.Interactive() {
			return usagef("--new-passphrase-file gives the new passphrase", "changing a passphrase: %w", render.ErrNoTerminal)
		}
		dir, err := approval.DefaultKeyDir()
		if err != nil {
			return err
		}
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		path, err := review.KeyFile(dir, name)
		if err != nil {
			return err
		}
		key, err := approval.ReadPrivateKey(path, s.passphraseOf(c.Context(), path, file))
		if err != nil {
			return err
		}
		passphrase, err := s.replacement(c, newFile)
		if err != nil {
			return err
		}
		if err := approval.ChangePassphrase(path, key, passphrase); err != nil {
			return err
		}
		how := "encrypted with the new passphrase"
		if len(passphrase) == 0 {
			how = "not encrypted any more"
		}
		s.term.Printf("key %s is %s, in %s\n", short("sha256:"+key.Public().ID()), how, render.Escape(path))
		return nil
	}
	return c
}

// replacement returns a new passphrase, which the environment does not give:
// that has the present one.
func (s *session) replacement(c *cobra.Command, file string) ([]byte, error) {
	if file != "" {
		return givenPassphrase(file)
	}
	passphrase, err := s.askNewPassphrase(c.Context())
	if err != nil {
		return nil, fmt.Errorf("changing a passphrase: %w", err)
	}
	return passphrase, nil
}
