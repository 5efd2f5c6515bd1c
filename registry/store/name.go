package store

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Names in the store are as people write them: "nginx:latest" for Docker
// Hub's library, "registry/repository:tag" for others, and
// "repository@sha256:…" for what was pulled by digest. The tag is always
// there, so two ways to write a name give one.

// localName brings a name into that form.
func localName(s string) (string, error) {
	repository, rest, err := splitName(s)
	if err != nil {
		return "", err
	}
	return repository + rest, nil
}

// splitName parses a name into the short form of its repository and either
// ":tag" or "@digest". A digest overrules a tag beside it.
func splitName(s string) (repository, rest string, err error) {
	ref, err := name.ParseReference(s)
	if err != nil {
		return "", "", fmt.Errorf("image name %q: %w", s, err)
	}
	repository = shortRepository(ref.Context())
	switch r := ref.(type) {
	case name.Digest:
		return repository, "@" + r.DigestStr(), nil
	case name.Tag:
		return repository, ":" + r.TagStr(), nil
	default:
		return "", "", fmt.Errorf("image name %q is neither a tag nor a digest", s)
	}
}

// shortRepository leaves out the registry and namespace that are understood.
func shortRepository(r name.Repository) string {
	if r.RegistryStr() != name.DefaultRegistry {
		return r.Name()
	}
	return strings.TrimPrefix(r.RepositoryStr(), "library/")
}

// nameFromFile makes an image name of a file's or folder's name, for sources
// that give none: "/tmp/My App.tar.gz" becomes "my-app".
func nameFromFile(base string) string {
	for _, suffix := range []string{".gz", ".tgz", ".tar", ".oci"} {
		base = strings.TrimSuffix(base, suffix)
	}
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return '-'
		}
	}, base)
	mapped = strings.Trim(mapped, ".-_")
	if mapped == "" {
		return "image"
	}
	return mapped
}
