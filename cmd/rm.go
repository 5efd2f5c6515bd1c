package cmd

import (
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
)

func newRemove(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "rm IMAGE...",
		Short: "Take images out of the store",
		Long: `Rm takes the given names off their images. With its last name an image goes,
and with it its manifests and approvals; a digest takes all names at once.
The space they took is freed by lpm prune. Volumes stay.`,
		Args: needs("IMAGE..."),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := s.store()
			if err != nil {
				return err
			}
			for _, ref := range args {
				if err := st.Remove(c.Context(), ref); err != nil {
					return err
				}
				s.term.Printf("removed %s\n", render.Escape(ref))
			}
			return nil
		},
	}
}
