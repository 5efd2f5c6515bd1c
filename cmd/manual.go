package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/manual"
)

// newManual is the verb that package builds call; people have the pages.
func newManual() *cobra.Command {
	c := &cobra.Command{
		Use:   "manual FOLDER",
		Short: "Write the manual pages",
		Long: `Manual writes the manual pages of all verbs into FOLDER, as NAME.1, in mdoc. The
same program and date write the same bytes.`,
		Args:   needs("FOLDER"),
		Hidden: true,
	}
	day := c.Flags().String("date", "", "the `DAY` that the pages are of, as 2006-01-02")
	c.RunE = func(c *cobra.Command, args []string) error {
		date, err := time.Parse(time.DateOnly, *day)
		if err != nil {
			return usagef("give the day, such as --date 2006-01-02", "--date %q is not a day", *day)
		}
		return writeManual(c.Root(), args[0], date)
	}
	return c
}

func writeManual(root *cobra.Command, folder string, date time.Time) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return manual.Pages(root, func(c *cobra.Command) error {
		var page bytes.Buffer
		if err := manual.Write(&page, c, facts(c, date)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, manual.Name(c)+".1"), page.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing the page of %s: %w", c.CommandPath(), err)
		}
		return nil
	})
}
