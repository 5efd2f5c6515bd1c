package cmd

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/store"
)

// noQuota is the argument that takes the quota away.
const noQuota = "none"

func newQuota(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "quota [SIZE|none]",
		Short: "Show what the store takes up, and bound it",
		Long: `Quota shows what the store takes up, and with SIZE, such as 500MiB or 20GiB,
bounds it: an image that would take the images and their unpacked trees past that
is not brought in. What is there stays. Volumes, which hold the data of
containers, manifests and approvals are not bounded.`,
		Args: needs("[SIZE|none]"),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			n, err := parseSize(args[0])
			if err != nil {
				return err
			}
			if err := st.SetQuota(n); err != nil {
				return err
			}
		}
		u, err := st.Usage(c.Context())
		if err != nil {
			return err
		}
		return s.printUsage(u, *form)
	}
	return c
}

func (s *session) printUsage(u store.Usage, form output) error {
	if form == asJSON {
		return s.term.JSON(u)
	}
	quota := noQuota
	if u.Quota > 0 {
		quota = render.Size(u.Quota)
	}
	s.term.Printf("images    %s\n", render.Size(u.Blobs))
	s.term.Printf("unpacked  %s\n", render.Size(u.Trees))
	s.term.Printf("volumes   %s\n", render.Size(u.Volumes))
	s.term.Printf("quota     %s of images and unpacked\n", quota)
	return nil
}

var sizeText = regexp.MustCompile(`(?i)^([0-9]{1,12})(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$`)

// parseSize reads a number of bytes with its unit.
func parseSize(text string) (int64, error) {
	if text == noQuota {
		return 0, nil
	}
	const most = 1 << 60
	match := sizeText.FindStringSubmatch(text)
	if match == nil {
		return 0, usagef("such as 500MiB, 20GiB, or none", "%q is no size with its unit", text)
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	unit := map[string]int64{
		"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	}[strings.ToLower(match[2])]
	if err != nil || n == 0 || n > most/unit {
		return 0, usagef("such as 500MiB, 20GiB, or none", "%s is no size that a store can have", text)
	}
	return n * unit, nil
}
