package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/store"
)

func newImages(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "images",
		Short: "List the images in the store",
		Args:  needs(),
	}
	form := addOutput(c)
	c.RunE = func(*cobra.Command, []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		images, err := st.Images()
		if err != nil {
			return err
		}
		if *form == asJSON {
			return s.term.JSON(append([]store.Image{}, images...))
		}
		rows := make([][]string, 0, len(images))
		for _, img := range images {
			rows = append(rows, imageRow(img))
		}
		s.term.Table([]string{"NAME", "DIGEST", "ARCH", "BUILT", "SIZE"}, rows)
		return nil
	}
	return c
}

func imageRow(img store.Image) []string {
	name, built := img.Name, "-"
	if name == "" {
		name = "-"
	}
	if !img.Created.IsZero() {
		built = img.Created.UTC().Format(time.DateOnly)
	}
	return []string{name, short(img.Digest.String()), img.Architecture, built, render.Size(img.Size)}
}

// short returns the twelve digits of a digest by which the store finds it.
func short(digest string) string {
	const algorithm, digits = len("sha256:"), 12
	if len(digest) < algorithm+digits {
		return digest
	}
	return digest[algorithm : algorithm+digits]
}
