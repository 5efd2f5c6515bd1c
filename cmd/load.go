package cmd

import (
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/store"
)

func newLoad(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "load SOURCE",
		Short: "Bring images from a file or folder into the store",
		Long: `Load brings images into the store. SOURCE is one of

  oci:PATH              an OCI layout, folder or tar, with all of its images
  oci:PATH:TAG          the image of the layout that is named TAG
  docker-archive:FILE   what "docker save" writes
  PATH                  either, told apart by what is in it

Tars may be compressed with gzip. Every layer is held against its digest. Of an
image for several platforms, this machine's is taken. The manifests, approvals
and records that a layout has for an image come with it, as lpm copy puts them
there; an approval counts only if a key that you trust signed it.`,
		Args: needs("SOURCE"),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		var images []store.Image
		err = s.during("loading "+args[0], func(update func(done, total int64)) error {
			images, err = st.LoadWith(c.Context(), args[0], store.LoadOptions{Progress: update, Also: func(l *store.Layout, images []store.Image) error {
				for _, img := range images {
					if err := bringArtifacts(c.Context(), artifact.Layout{Layout: l}, artifact.NewLocal(st), img); err != nil {
						return err
					}
				}
				return nil
			}})
			for _, img := range images {
				if err == nil {
					err = s.remember(c.Context(), st, img, time.Time{})
				}
			}
			var format *store.FormatError
			if errors.Is(err, fs.ErrNotExist) && !errors.As(err, &format) {
				err = &noSourceError{err}
			}
			return err
		})
		if err != nil {
			return err
		}
		return s.printImages(images, *form)
	}
	return c
}

// noSourceError is a source that is not there.
type noSourceError struct{ error }

func (e *noSourceError) Unwrap() error { return e.error }

// Hint tells where images are that are in no file.
func (*noSourceError) Hint() string {
	return "lpm load reads files and folders; from a registry: lpm pull IMAGE"
}

// printImages prints the images that came into the store.
func (s *session) printImages(images []store.Image, form output) error {
	if form == asJSON {
		return s.term.JSON(images)
	}
	for _, img := range images {
		s.term.Printf("%s   %s\n", render.Escape(nameOf(img)), img.Digest)
	}
	return nil
}
