// Package reference parses the ways in which a person names an image.
//
// The forms are those of docker and crane:
//
//	nginx                                  a name of Docker Hub's library
//	registry.example:5000/team/app:1.2     a registry, a repository, a tag
//	app@sha256:…  app:1.2@sha256:…         pinned to a digest
//	sha256:…                               a digest alone, known locally
//	oci:DIR[:TAG]  oci:DIR@sha256:…        an OCI image layout on disk
//	docker-archive:FILE                    what "docker save" writes
//
// The grammar of names is that of the OCI distribution specification. A name
// is never opened or resolved here, so parsing is safe on hostile input, and
// what parses holds ASCII letters, digits and the few marks of the grammar
// only (paths on disk excepted: they are the person's own).
package reference

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Kind says which form a reference has.
type Kind int

const (
	// Named is a repository with a tag, a digest or both.
	Named Kind = iota
	// Digest is a digest alone, which only a local store can resolve.
	Digest
	// Layout is an OCI image layout: a folder, or a tar of one.
	Layout
	// Archive is a file in the format of "docker save".
	Archive
)

// String returns the kind in words, for messages.
func (k Kind) String() string {
	switch k {
	case Named:
		return "name"
	case Digest:
		return "digest"
	case Layout:
		return "OCI layout"
	case Archive:
		return "docker archive"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

const (
	// DefaultRegistry is the registry of a name that states none.
	DefaultRegistry = "docker.io"
	// DefaultTag is the tag of a name that states neither tag nor digest.
	DefaultTag = "latest"

	// defaultNamespace is where Docker Hub keeps names of one component.
	defaultNamespace = "library"
	// hubAlias is the older host name of Docker Hub; both are one registry.
	hubAlias = "index.docker.io"
)

// MaxLength is the greatest length of a reference, in bytes.
const MaxLength = 4096

// Reference is a parsed reference. Only the fields of its Kind are set.
type Reference struct {
	Kind Kind
	// Registry is the host, with its port if one was given: "docker.io".
	Registry string
	// Explicit tells that the person wrote the registry. Without it a name
	// means the local store first, and nothing is pushed on its account.
	Explicit bool
	// Path is the repository within the registry: "library/nginx".
	Path string
	// Tag is empty when only a digest was given, or for a Layout none.
	Tag string
	// Digest is "sha256:" with 64 hexadecimal digits, or empty.
	Digest string
	// File is the path on disk of a Layout or an Archive.
	File string
}

// Error says why a text is not a reference.
type Error struct {
	// Text is what was parsed, as it was given: escape it before printing.
	Text string
	// Problem says what is wrong with it.
	Problem string
}

// Error returns one line in which the text is quoted in ASCII.
func (e *Error) Error() string {
	text := e.Text
	if len(text) > 128 {
		text = text[:128] + "…"
	}
	return fmt.Sprintf("image reference %s: %s", strconv.QuoteToASCII(text), e.Problem)
}

// Hint names the forms that would have been understood.
func (e *Error) Hint() string {
	return "an image is named as name[:tag][@sha256:…], registry/name:tag, oci:DIR[:TAG] or docker-archive:FILE"
}

// Parse reads a reference in any of the forms. Its error is an [*Error].
func Parse(text string) (Reference, error) {
	if len(text) > MaxLength {
		return Reference{}, &Error{text, fmt.Sprintf("longer than %d bytes", MaxLength)}
	}
	if strings.ContainsRune(text, 0) {
		return Reference{}, &Error{text, "contains a NUL byte"}
	}
	if rest, ok := strings.CutPrefix(text, "oci:"); ok {
		return parseLayout(text, rest)
	}
	if rest, ok := strings.CutPrefix(text, "docker-archive:"); ok {
		if rest == "" {
			return Reference{}, &Error{text, "docker-archive: names no file"}
		}
		return Reference{Kind: Archive, File: rest}, nil
	}
	if isDigest(text) {
		return Reference{Kind: Digest, Digest: text}, nil
	}
	return parseNamed(text)
}

// Repository returns the repository of a named reference in its one full
// form, "docker.io/library/nginx", and "" for the other kinds.
func (r Reference) Repository() string {
	if r.Kind != Named {
		return ""
	}
	return r.Registry + "/" + r.Path
}

// String returns the full form of the reference. Parsing it again gives the
// same reference, but that its registry is explicit.
func (r Reference) String() string {
	var b strings.Builder
	switch r.Kind {
	case Digest:
		return r.Digest
	case Archive:
		return "docker-archive:" + r.File
	case Layout:
		b.WriteString("oci:" + r.File)
	default:
		b.WriteString(r.Repository())
	}
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if r.Digest != "" {
		b.WriteString("@" + r.Digest)
	}
	return b.String()
}

// Remote returns a named reference as go-containerregistry takes it: by
// digest when there is one, since a digest cannot be moved. With insecure,
// the registry may be spoken to without TLS.
func (r Reference) Remote(insecure bool) (name.Reference, error) {
	if r.Kind != Named {
		return nil, &Error{r.String(), "a " + r.Kind.String() + " is not in a registry"}
	}
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	full := r.Repository() + ":" + r.Tag
	if r.Digest != "" {
		full = r.Repository() + "@" + r.Digest
	}
	ref, err := name.ParseReference(full, options...)
	if err != nil {
		return nil, &Error{r.String(), err.Error()}
	}
	return ref, nil
}

// Repository returns the full form of the repository that a name of an image
// belongs to. Approvals and volumes are kept by it, so that "nginx:1.27" and
// "docker.io/library/nginx:1.28" are versions of the same thing.
func Repository(text string) (string, error) {
	r, err := Parse(text)
	if err != nil {
		return "", err
	}
	if r.Kind != Named {
		return "", &Error{text, "a " + r.Kind.String() + " names no repository"}
	}
	return r.Repository(), nil
}
