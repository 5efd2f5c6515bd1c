package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
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
~/.config/lpm/trust.d (for you). To trust a key no longer, remove its file.

Rules beside the keys, in files that end in .yaml, .json or .cue, say whose
approvals count for which repositories, and how many it takes:

  version: 1
  rules:
  - repositories: ["registry.example/team/*"]
    keys: [alice, bob, carol]
    threshold: 2

The longest name decides. A key that rules name counts for their repositories
alone; where no rule speaks of a repository, any other key does. Where both
folders have a rule for it, both must be met.`,
		Args: needs(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(newKeyNew(s), newKeyList(s), newKeyTrust(s), newKeyPassphrase(s))
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
	// For are the rules that name it; none where it counts for whatever no
	// rule speaks of.
	For []keyScope `json:"for,omitempty"`
}

// keyScope is a rule, seen from one of its keys.
type keyScope struct {
	Repositories string `json:"repositories"`
	Threshold    int    `json:"threshold"`
	Keys         int    `json:"keys"`
}

func (k keyInfo) scopes() string {
	if !k.Trusted {
		return "-"
	}
	if len(k.For) == 0 {
		return "what no rule names"
	}
	var all []string
	for _, f := range k.For {
		all = append(all, fmt.Sprintf("%s (%d of %d)", f.Repositories, f.Threshold, f.Keys))
	}
	return strings.Join(all, ", ")
}

func newKeyNew(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "new [NAME]",
		Short: "Make a key and trust it",
		Long: `New makes a key called NAME ("` + review.DefaultKey + `" if it is not given) in
~/.config/lpm/keys, and trusts it on your behalf. Only you can read the private
key's file; with a passphrase, which a terminal is asked for, it is encrypted
(PKCS #8). For automation the passphrase can be in --passphrase-file or in
` + passphraseVariable + `.

The key pairs of cosign need not be made anew: lpm approve --key ./cosign.key
signs with one, and lpm key trust cosign.pub trusts it.`,
		Args: cobra.MaximumNArgs(1),
	}
	kind := c.Flags().String("kind", string(approval.Ed25519), "the algorithm: ed25519 or ecdsa-p256")
	untrusted := c.Flags().Bool("no-trust", false, "do not trust it here")
	plain := c.Flags().Bool("no-passphrase", false, "do not ask for a passphrase: the file is not encrypted")
	var file string
	addPassphrase(c, &file)
	c.RunE = func(c *cobra.Command, args []string) error {
		name := review.DefaultKey
		if len(args) > 0 {
			name = args[0]
		}
		if k := approval.KeyKind(*kind); k != approval.Ed25519 && k != approval.ECDSAP256 {
			return usagef("", "%q is neither %s nor %s", *kind, approval.Ed25519, approval.ECDSAP256)
		}
		if *plain && file != "" {
			return usagef("", "--no-passphrase and --passphrase-file contradict each other")
		}
		var passphrase []byte
		if !*plain {
			var err error
			if passphrase, err = s.newPassphrase(c.Context(), file); err != nil {
				return err
			}
		}
		return s.makeKey(name, approval.KeyKind(*kind), passphrase, !*untrusted)
	}
	return c
}

func (s *session) makeKey(name string, kind approval.KeyKind, passphrase []byte, trusted bool) error {
	dir, err := approval.DefaultKeyDir()
	if err != nil {
		return err
	}
	key, err := approval.GenerateKey(kind)
	if err != nil {
		return err
	}
	private, _, err := approval.WriteKey(dir, name, key, passphrase)
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
			key, err := readPublicKey(args[0])
			if err != nil {
				return err
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
	c.RunE = func(c *cobra.Command, _ []string) error {
		keys, err := s.listKeys(c.Context())
		if err != nil {
			return err
		}
		if *form == asJSON {
			return s.term.JSON(keys)
		}
		heading := []string{"NAME", "ID", "KIND", "YOURS", "TRUSTED"}
		ruled := slices.ContainsFunc(keys, func(k keyInfo) bool { return len(k.For) > 0 })
		if ruled {
			heading = append(heading, "FOR")
		}
		rows := make([][]string, 0, len(keys))
		for _, k := range keys {
			row := []string{k.Name, short("sha256:" + k.ID), string(k.Kind), yesNo(k.Private), yesNo(k.Trusted)}
			if ruled {
				row = append(row, k.scopes())
			}
			rows = append(rows, row)
		}
		s.term.Table(heading, rows)
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
func (s *session) listKeys(ctx context.Context) ([]keyInfo, error) {
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
		key, err := review.PublicHalf(dir, name, s.passphraseOf(ctx, name, ""))
		if err != nil {
			return nil, err
		}
		id := key.ID()
		at[id] = len(keys)
		keys = append(keys, keyInfo{Name: name, ID: id, Kind: key.Kind(), Private: true})
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
	for _, r := range trust.Rules() {
		for _, k := range r.Keys {
			info := &keys[at[k.ID()]]
			info.For = append(info.For, keyScope{Repositories: r.Pattern, Threshold: r.Threshold, Keys: len(r.Keys)})
		}
	}
	return keys, nil
}
