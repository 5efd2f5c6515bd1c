package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/xdg"
)

func newKey(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make, list and trust the keys that sign approvals",
		Long: `Approvals are signed. A decision counts on a machine where the signer's public
key is trusted: a file NAME.pub in ` + xdg.SystemTrust + ` (for everyone) or in
~/.config/lpm/trust.d (for you). To trust a key no longer, remove its file.`,
		Args: needs(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(newKeyNew(s), newKeyList(s), newKeyTrust(s))
	return c
}

// keyInfo describes a key to a person or program.
type keyInfo struct {
	Name string           `json:"name"`
	ID   string           `json:"id"`
	Kind approval.KeyKind `json:"kind"`
	// Private and Trusted say what is known of it here: that its private
	// half is at hand, and that what it signs counts.
	Private bool `json:"private"`
	Trusted bool `json:"trusted"`
}

func newKeyNew(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "new [NAME]",
		Short: "Make a key and trust it",
		Long: `New makes a key called NAME ("` + review.DefaultKey + `" if it is not given) in
~/.config/lpm/keys, and trusts it on your behalf. The private key is not
encrypted; only you can read its file.`,
		Args: cobra.MaximumNArgs(1),
	}
	kind := c.Flags().String("kind", string(approval.Ed25519), "the algorithm: ed25519 or ecdsa-p256")
	untrusted := c.Flags().Bool("no-trust", false, "do not trust it here")
	c.RunE = func(_ *cobra.Command, args []string) error {
		name := review.DefaultKey
		if len(args) > 0 {
			name = args[0]
		}
		if k := approval.KeyKind(*kind); k != approval.Ed25519 && k != approval.ECDSAP256 {
			return usagef("", "%q is neither %s nor %s", *kind, approval.Ed25519, approval.ECDSAP256)
		}
		return s.makeKey(name, approval.KeyKind(*kind), !*untrusted)
	}
	return c
}

func (s *session) makeKey(name string, kind approval.KeyKind, trusted bool) error {
	dir, err := approval.DefaultKeyDir()
	if err != nil {
		return err
	}
	key, err := approval.GenerateKey(kind)
	if err != nil {
		return err
	}
	private, _, err := approval.WriteKey(dir, name, key)
	if errors.Is(err, fs.ErrExist) {
		return &keyExistsError{name: name, err: err}
	}
	if err != nil {
		return err
	}
	s.term.Printf("made key %s, %s, in %s\n", short("sha256:"+key.Public().ID()), kind, render.Escape(private))
	if !trusted {
		return nil
	}
	return s.trustKey(name, key.Public())
}

// keyExistsError is a name that is taken.
type keyExistsError struct {
	name string
	err  error
}

func (e *keyExistsError) Error() string { return fmt.Sprintf("there is a key %q already", e.name) }

func (e *keyExistsError) Unwrap() error { return e.err }

// Hint tells how to go on.
func (e *keyExistsError) Hint() string { return "give the new one another name: lpm key new NAME" }

func (s *session) trustKey(name string, key approval.PublicKey) error {
	dir, err := approval.UserTrustDir()
	if err != nil {
		return err
	}
	path, err := approval.WritePublicKey(dir, name, key)
	if errors.Is(err, fs.ErrExist) {
		return &trustExistsError{path: filepath.Join(dir, name+".pub"), err: err}
	}
	if err != nil {
		return err
	}
	s.term.Printf("trusted it in %s\n", render.Escape(path))
	return nil
}

// trustExistsError is a name under which another key is trusted.
type trustExistsError struct {
	path string
	err  error
}

func (e *trustExistsError) Error() string {
	return fmt.Sprintf("a key is trusted already in %s", e.path)
}

func (e *trustExistsError) Unwrap() error { return e.err }

// Hint tells how to go on.
func (e *trustExistsError) Hint() string {
	return "trust the new one under another name with: lpm key trust FILE.pub NAME"
}

func newKeyTrust(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "trust FILE.pub [NAME]",
		Short: "Let the approvals of a key count for you",
		Long: `Trust copies a public key (PEM) to ~/.config/lpm/trust.d, under NAME or the
file's own name. From then on, what its owner approves may run here, as you.`,
		Args: needs("FILE.pub", "[NAME]"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			const most = 16 << 10
			text, err := io.ReadAll(io.LimitReader(f, most))
			if err != nil {
				return fmt.Errorf("reading %s: %w", args[0], err)
			}
			key, err := approval.ParsePublicKey(text)
			if err != nil {
				return fmt.Errorf("public key %s: %w", args[0], err)
			}
			name := strings.TrimSuffix(filepath.Base(args[0]), ".pub")
			if len(args) > 1 {
				name = args[1]
			}
			return s.trustKey(name, key)
		},
	}
}

func newKeyList(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List your keys and those you trust",
		Args:  needs(),
	}
	form := addOutput(c)
	c.RunE = func(*cobra.Command, []string) error {
		keys, err := listKeys()
		if err != nil {
			return err
		}
		if *form == asJSON {
			return s.term.JSON(keys)
		}
		rows := make([][]string, 0, len(keys))
		for _, k := range keys {
			rows = append(rows, []string{k.Name, short("sha256:" + k.ID), string(k.Kind), yesNo(k.Private), yesNo(k.Trusted)})
		}
		s.term.Table([]string{"NAME", "ID", "KIND", "YOURS", "TRUSTED"}, rows)
		return nil
	}
	return c
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// listKeys returns the person's own keys, then those of others that they
// trust.
func listKeys() ([]keyInfo, error) {
	dir, err := approval.DefaultKeyDir()
	if err != nil {
		return nil, err
	}
	names, err := review.KeyNames(dir)
	if err != nil {
		return nil, err
	}
	keys := []keyInfo{}
	at := map[string]int{}
	for _, name := range names {
		key, err := review.SigningKey(dir, name)
		if err != nil {
			return nil, err
		}
		id := key.Public().ID()
		at[id] = len(keys)
		keys = append(keys, keyInfo{Name: name, ID: id, Kind: key.Public().Kind(), Private: true})
	}
	dirs, err := xdg.Trust()
	if err != nil {
		return nil, err
	}
	trust, err := approval.LoadTrust(dirs...)
	if err != nil {
		return nil, err
	}
	for _, k := range trust.Keys() {
		if i, own := at[k.ID()]; own {
			keys[i].Trusted = true
			continue
		}
		at[k.ID()] = len(keys)
		keys = append(keys, keyInfo{Name: k.Name, ID: k.ID(), Kind: k.Kind(), Trusted: true})
	}
	return keys, nil
}
