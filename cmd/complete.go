package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

// Completions of the command line. They come from what is on this machine: a
// person who presses a key has not asked for a registry to be spoken to. What
// cannot be read completes to nothing.

// completes is what the arguments of a verb are completed with.
type completes int

const (
	// images are those of the store, alone or beside files.
	images completes = iota
	imagesOrFiles
	// permissions are those of the manifest that the first argument names.
	permissions
	files
	nothing
)

// completions say what each argument of a verb is; the last stands for all that
// follow.
func completions() map[string][]completes {
	return map[string][]completes{
		"run": {images, files}, "analyze": {images, files}, "attach": {images, files, nothing},
		"check": {imagesOrFiles, nothing}, "copy": {imagesOrFiles, files, nothing},
		"diff": {imagesOrFiles, imagesOrFiles, nothing}, "export": {imagesOrFiles, nothing}, "explain": {imagesOrFiles, permissions},
		"inspect": {images, nothing}, "approve": {images, nothing}, "revoke": {images, nothing}, "rm": {images},
		"pull": {nothing}, "load": {files, nothing}, "validate": {files},
		"images": {nothing}, "prune": {nothing}, "quota": {nothing}, "verify": {nothing}, "doctor": {nothing},
	}
}

// complete gives a verb its completions.
func (s *session) complete(c *cobra.Command) {
	kinds, ok := completions()[c.Name()]
	if !ok {
		return
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch kinds[min(len(args), len(kinds)-1)] {
		case images:
			return beginning(s.imageNames(), begun, args), cobra.ShellCompDirectiveNoFileComp
		case imagesOrFiles:
			return beginning(s.imageNames(), begun, args), cobra.ShellCompDirectiveDefault
		case permissions:
			return beginning(s.permissionsOf(c, args[0]), begun, args[1:]), cobra.ShellCompDirectiveNoFileComp
		case files:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// beginning returns those that begin so and are not among the arguments yet.
func beginning(all []string, begun string, args []string) []string {
	return slices.DeleteFunc(all, func(one string) bool {
		return !strings.HasPrefix(one, begun) || slices.Contains(args, one)
	})
}

func (s *session) imageNames() []string {
	st, err := s.store()
	if err != nil {
		return nil
	}
	list, err := st.Images()
	if err != nil {
		return nil
	}
	var names []string
	for _, img := range list {
		if img.Name != "" {
			names = append(names, img.Name)
		}
	}
	return names
}

// permissionsOf returns the IDs of an image's, or a file's, permissions.
func (s *session) permissionsOf(c *cobra.Command, name string) []string {
	m, err := s.manifestHere(c.Context(), name)
	if err != nil {
		return nil
	}
	var ids []string
	for _, p := range m.Permissions() {
		ids = append(ids, p.ID)
	}
	return ids
}

// manifestHere is manifestOf without a registry.
func (s *session) manifestHere(ctx context.Context, name string) (*manifest.Manifest, error) {
	if isFile(name) {
		return readManifest(name)
	}
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	img, err := s.image(st, name)
	if err != nil {
		return nil, err
	}
	valid, _, err := review.Manifests(ctx, artifact.NewLocal(st), subjectOf(img, name))
	if err != nil {
		return nil, err
	}
	return valid[len(valid)-1].Manifest, nil
}
