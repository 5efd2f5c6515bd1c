package store

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
)

// folderName is what callers may call a folder: one component, no dot first.
var folderName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$`)

// PreparedDir is the folder of what is kept between launches under key, made
// if it is missing. A key begins with the hexadecimal digits of the image's
// digest, so that Prune removes the folder with the image; a container that
// holds its image's [Tree] keeps its prepared folders too.
func (s *Store) PreparedDir(key string) (string, error) {
	if !folderName.MatchString(key) || !imageKey.MatchString(key) {
		return "", fmt.Errorf("prepared folder %q: not the digits of a digest, a dash and plain letters", key)
	}
	dir := s.path("prepared", key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a prepared folder: %w", err)
	}
	return dir, nil
}

// imageKey is a digest's digits, alone or followed by a dash and more.
var imageKey = regexp.MustCompile(`^([0-9a-f]{64})(?:-.*)?$`)

// VolumeDir is the folder of the volume name of the repository, made if it is
// missing. Volumes are data: nothing in this package removes them.
func (s *Store) VolumeDir(repository, name string) (string, error) {
	if !folderName.MatchString(name) {
		return "", fmt.Errorf("volume %q: not a plain name", name)
	}
	// Escaping leaves no slash, and a repository that is all dots no place
	// to go.
	escaped := url.PathEscape(repository)
	if len(escaped) > 255 || !folderName.MatchString(repository[:min(1, len(repository))]) {
		return "", fmt.Errorf("volume %q: repository %q cannot be a folder", name, repository)
	}
	dir := s.path("volumes", escaped, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a volume: %w", err)
	}
	return dir, nil
}
