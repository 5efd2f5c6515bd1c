package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/manifest/peers"
)

// exitGap is the code of export --strict where something cannot be said.
const exitGap = 1

func newExport(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "export --to PEER SOURCE",
		Short: "Say a manifest's network section in the words of others",
		Long: `Export prints what a manifest says of the network as others can hold a program to
it: a NetworkPolicy for Kubernetes (networkpolicy), a table for nft -f (nftables)
or a drop-in for a systemd unit (systemd). SOURCE is an image, which stands for the
newest manifest attached to it, or a file (.cue, .yaml, .yml, .json), or the digest
of a manifest.

None of them can say all of it. They know addresses and no names, for one. What a
peer cannot say is granted less, or where there is no less, more than the manifest
grants it. Each permission of which that is so is named in the text and on standard
error, as missing or wider, with the reason.`,
		Example: `  lpm export --to networkpolicy app.cue >policy.yaml
  lpm export --to nftables --name app registry.example/team/app:1 >app.nft`,
		Args: needs("SOURCE"),
	}
	form := addOutput(c)
	var to peerFlag
	c.Flags().Var(&to, "to", "the `PEER` that is to hold the program: "+peerChoices())
	name := c.Flags().String("name", "", "the program's `NAME`: of the policy and the pods' label app.kubernetes.io/name, and in the table's (default: SOURCE's)")
	strict := c.Flags().Bool("strict", false, "exit with 1 where a permission is missing or wider")
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	_ = c.MarkFlagRequired("to")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(peerNames(), cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(c *cobra.Command, args []string) error {
		m, err := s.comparedManifest(c.Context(), args[0], *insecure)
		if err != nil {
			return err
		}
		if *name == "" {
			*name = peers.Name(args[0])
		}
		x, err := peers.New(m, peers.Peer(to), *name)
		if errors.Is(err, peers.ErrName) {
			return usagef("see: lpm export --help", "--name: %w", err)
		}
		if err != nil {
			return err
		}
		if err := s.printExport(x, *form); err != nil {
			return err
		}
		if *strict && len(x.Gaps) > 0 {
			return &exitError{code: exitGap}
		}
		return nil
	}
	return c
}

func (s *session) printExport(x *peers.Export, form output) error {
	if form == asJSON {
		return s.term.JSON(x)
	}
	s.term.Printf("%s", x.Text)
	for _, g := range x.Gaps {
		s.term.Warn("%s: %s: %s", g.Effect, g.Permission, g.Why)
	}
	return nil
}

// peerFlag implements pflag.Value.
type peerFlag peers.Peer

func (p *peerFlag) String() string { return string(*p) }

func (*peerFlag) Type() string { return "peer" }

func (p *peerFlag) Set(text string) error {
	if !slices.Contains(peers.Peers(), peers.Peer(text)) {
		return fmt.Errorf("%q is not %s", text, peerChoices())
	}
	*p = peerFlag(text)
	return nil
}

func peerNames() []string {
	var names []string
	for _, p := range peers.Peers() {
		names = append(names, string(p))
	}
	return names
}

// peerChoices lists the peers as a person would.
func peerChoices() string {
	names := peerNames()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
