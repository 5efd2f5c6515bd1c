package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/transfer"
)

func newCopy(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "copy SOURCE DESTINATION",
		Short: "Take an image elsewhere with all that is attached to it",
		Long: `Copy takes an image elsewhere, with its manifests, approvals, records of runs and
whatever else is attached to it. Digests stay the same, and so do approvals. Each
of the two is one of

  REGISTRY/NAME[:TAG]   a repository of a registry: "localhost:5000/app:1"
  oci:PATH[:TAG]        an OCI layout: a folder, or a file of which the name ends
                        in .tar

and SOURCE can also be the name of an image in the store; with --local it is one
even if it names a registry. Of an image for several platforms all are copied
from a registry or a layout; the store has one. To bring an image into the store
use lpm load and lpm pull.

A layout that is there gets the image beside those that it has; a tar must not be
there. What the destination has already is not sent again.`,
		Example: `  lpm copy registry.example/app:1 oci:app.tar    out of one network
  lpm load oci:app.tar                           into a machine of another
  lpm copy oci:app.tar registry.inside/app:1     or into its registry`,
		Args: needs("SOURCE", "DESTINATION"),
	}
	form := addOutput(c)
	var insecure, local bool
	c.Flags().BoolVar(&insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.Flags().BoolVar(&local, "local", false, "copy from the store, also when SOURCE names a registry")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		st, err := s.store()
		if err != nil {
			return err
		}
		from, err := s.copySource(c.Context(), st, args[0], insecure, local)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, from.close()) }()
		to, done, err := copyDestination(args[1], from.names, insecure)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		var result *transfer.Result
		err = s.during("copying "+args[0], func(update func(done, total int64)) error {
			result, err = transfer.Copy(c.Context(), from.place, to, from.root, update)
			return err
		})
		if err != nil {
			return fmt.Errorf("copying %s to %s: %w", args[0], args[1], err)
		}
		return s.printCopied(result, args[1], *form)
	}
	return c
}

func (s *session) printCopied(r *transfer.Result, to string, form output) error {
	if form == asJSON {
		return s.term.JSON(struct {
			*transfer.Result
			To string `json:"to"`
		}{r, to})
	}
	images := ""
	if r.Images != 1 {
		images = fmt.Sprintf(", %d images", r.Images)
	}
	s.term.Printf("%s   %s%s, %d attached\n", render.Escape(to), r.Digest, images, r.Referrers)
	return nil
}

// copySource is an image that is to be copied.
type copySource struct {
	place transfer.Source
	root  v1.Descriptor
	// names are what a layout calls it that says nothing else.
	names  transfer.Names
	opened io.Closer
}

func (c *copySource) close() error {
	if c.opened == nil {
		return nil
	}
	return c.opened.Close()
}

// copySource finds what is to be copied.
func (s *session) copySource(ctx context.Context, st *store.Store, text string, insecure, local bool) (*copySource, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case ref.Kind == reference.Layout:
		return openLayout(ctx, st, text)
	case ref.Kind == reference.Archive:
		return nil, usagef("bring it into the store first, with: lpm load "+text, "a docker archive cannot be copied from")
	case ref.Kind == reference.Named && ref.Explicit && !local:
		place, err := transfer.OpenRegistry(ref, artifact.RemoteOptions{Insecure: insecure})
		if err != nil {
			return nil, err
		}
		root, err := place.Root(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("looking for %s in its registry: %w", text, err)
		}
		return &copySource{place: place, root: root, names: namesOf(ref)}, nil
	}
	img, err := s.image(st, text)
	if err != nil {
		return nil, err
	}
	c := &copySource{place: transfer.Store{Local: artifact.NewLocal(st)}, root: v1.Descriptor{Digest: img.Digest}}
	if named, err := reference.Parse(img.Name); err == nil {
		c.names = namesOf(named)
	}
	return c, nil
}

func openLayout(ctx context.Context, st *store.Store, text string) (*copySource, error) {
	l, err := st.OpenLayout(ctx, text)
	if errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", text, err)
	}
	root, err := l.Image()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", text, err), l.Close())
	}
	names := transfer.NamesOf(root)
	return &copySource{place: transfer.Layout{Layout: artifact.Layout{Layout: l}}, root: root, names: names, opened: l}, nil
}

// namesOf are what a layout calls an image of that name.
func namesOf(r reference.Reference) transfer.Names {
	if r.Kind != reference.Named || r.Tag == "" {
		return transfer.Names{}
	}
	r.Digest = ""
	return transfer.Names{Tag: r.Tag, Full: r.String()}
}

// copyDestination opens the place to copy to. done is to be called at the end.
func copyDestination(text string, names transfer.Names, insecure bool) (to transfer.Destination, done func() error, err error) {
	done = func() error { return nil }
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, done, err
	}
	if ref.Digest != "" {
		return nil, done, usagef("name it by a tag", "%s: what an image's digest is to be cannot be chosen", text)
	}
	switch {
	case ref.Kind == reference.Named && ref.Explicit:
		to, err = transfer.OpenRegistry(ref, artifact.RemoteOptions{Insecure: insecure})
		return to, done, err
	case ref.Kind != reference.Layout:
		return nil, done, usagef("the store is filled by lpm load and lpm pull; a destination is REGISTRY/NAME[:TAG] or oci:PATH[:TAG]", "%s is neither in a registry nor an OCI layout", text)
	}
	if ref.Tag != "" {
		names = transfer.Names{Tag: ref.Tag}
	}
	if info, err := os.Stat(ref.File); strings.HasSuffix(ref.File, ".tar") || err == nil && !info.IsDir() {
		a, err := transfer.NewArchive(ref.File, names)
		if err != nil {
			return nil, done, err
		}
		return a, a.Close, nil
	}
	to, err = transfer.NewFolder(ref.File, names)
	return to, done, err
}
