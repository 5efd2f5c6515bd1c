package reference

import (
	"regexp"
	"strings"
)

// The grammar of distribution/reference, in its own words: a component of a
// path is lower-case letters and digits, joined inside by ".", "_", "__" or
// any number of "-". That leaves no room for "..", an empty component, or
// anything that a terminal or a file system would treat specially.
var (
	pathComponent = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$`)
	hostName      = regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$`)
	tagName       = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$`)
	digestText    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// maxName is the greatest length of registry and path together, in bytes.
const maxName = 255

func isDigest(text string) bool { return digestText.MatchString(text) }

// parseNamed reads [registry/]path[:tag][@digest].
func parseNamed(text string) (Reference, error) {
	r := Reference{Kind: Named}
	rest, digest, pinned := strings.Cut(text, "@")
	if pinned {
		if !isDigest(digest) {
			return Reference{}, &Error{text, "after @ there must be sha256: and 64 hexadecimal digits"}
		}
		r.Digest = digest
	}
	// A colon after the last slash starts the tag; one before it, a port.
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		r.Tag = rest[i+1:]
		rest = rest[:i]
		if !tagName.MatchString(r.Tag) {
			return Reference{}, &Error{text, "the tag must be 1 to 128 letters, digits, '_', '.' or '-', and not start with a mark"}
		}
	}
	if r.Tag == "" && !pinned {
		r.Tag = DefaultTag
	}

	r.Registry, r.Path = DefaultRegistry, rest
	if host, path, ok := strings.Cut(rest, "/"); ok && isHost(host) {
		r.Registry, r.Path, r.Explicit = host, path, true
		if !hostName.MatchString(host) {
			return Reference{}, &Error{text, "the registry is not a host name with an optional port"}
		}
	}
	if r.Registry == hubAlias {
		r.Registry = DefaultRegistry
	}
	if err := checkPath(text, r.Path); err != nil {
		return Reference{}, err
	}
	if r.Registry == DefaultRegistry && !strings.Contains(r.Path, "/") {
		r.Path = defaultNamespace + "/" + r.Path
	}
	if len(r.Repository()) > maxName {
		return Reference{}, &Error{text, "the name is longer than 255 bytes"}
	}
	// The registry client is the last judge of what can be a host.
	if _, err := r.Remote(false); err != nil {
		return Reference{}, &Error{text, "the registry is not a host name with an optional port"}
	}
	return r, nil
}

// isHost tells a registry from the first component of a path: by a dot, a
// colon, or the one name "localhost".
func isHost(first string) bool {
	return first == "localhost" || strings.ContainsAny(first, ".:")
}

func checkPath(text, path string) error {
	if path == "" {
		return &Error{text, "names no repository"}
	}
	for component := range strings.SplitSeq(path, "/") {
		switch {
		case component == "":
			return &Error{text, "the name has an empty component"}
		case !pathComponent.MatchString(component):
			return &Error{text, "a name is lower-case letters and digits, joined by '.', '_' or '-'"}
		}
	}
	return nil
}

// parseLayout reads DIR[:TAG] or DIR@DIGEST. The folder may contain colons:
// only a last part that is a valid tag, and so has no slash, is one.
func parseLayout(text, rest string) (Reference, error) {
	r := Reference{Kind: Layout, File: rest}
	if dir, digest, ok := cutLast(rest, "@"); ok && isDigest(digest) {
		r.File, r.Digest = dir, digest
	}
	if dir, tag, ok := cutLast(r.File, ":"); ok && !strings.Contains(tag, "/") {
		if !tagName.MatchString(tag) {
			return Reference{}, &Error{text, "the tag of the layout is not valid"}
		}
		r.File, r.Tag = dir, tag
	}
	if r.File == "" {
		return Reference{}, &Error{text, "oci: names no folder"}
	}
	return r, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
