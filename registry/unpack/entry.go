package unpack

import (
	"archive/tar"
	"path"
	"slices"
	"strings"
)

// Whiteouts as the OCI image specification defines them (layer.md): a file
// ".wh.NAME" hides NAME of the layers below, and ".wh..wh..opq" hides
// everything that the layers below have in its folder.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

func isWhiteout(name string) bool {
	return strings.HasPrefix(path.Base(path.Clean("/"+name)), whiteoutPrefix)
}

// maxComponent is the longest file name in bytes (NAME_MAX of every Linux
// file system that matters).
const maxComponent = 255

// checkNames refuses names that no honest layer has. Extraction is safe
// against most of them on its own; a refusal is plainer than a repair.
func checkNames(hdr *tar.Header, limits Limits) error {
	if err := checkName(hdr, hdr.Name, limits); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeLink:
		if err := checkName(hdr, hdr.Linkname, limits); err != nil {
			return err
		}
		if path.Clean("/"+hdr.Linkname) == "/" {
			return &UnsafeError{Entry: hdr.Name, Problem: "is a hard link to nothing"}
		}
	case tar.TypeSymlink:
		// Any target will do: it is followed inside the container's root only.
		if hdr.Linkname == "" {
			return &UnsafeError{Entry: hdr.Name, Problem: "is a symbolic link to nothing"}
		}
		if len(hdr.Linkname) > limits.Name {
			return &LimitError{Limit: "bytes of a name", Max: int64(limits.Name), Entry: hdr.Name}
		}
	}
	return checkWhiteout(hdr)
}

func checkName(hdr *tar.Header, name string, limits Limits) error {
	if len(name) > limits.Name {
		return &LimitError{Limit: "bytes of a name", Max: int64(limits.Name), Entry: hdr.Name}
	}
	if strings.ContainsRune(name, 0) {
		return &UnsafeError{Entry: hdr.Name, Problem: "has a NUL in a name"}
	}
	components := strings.Split(strings.Trim(name, "/"), "/")
	if len(components) > limits.Depth {
		return &LimitError{Limit: "components of a name", Max: int64(limits.Depth), Entry: hdr.Name}
	}
	if slices.Contains(components, "..") {
		return &UnsafeError{Entry: hdr.Name, Problem: `has ".." in a name`}
	}
	for _, c := range components {
		if len(c) > maxComponent {
			return &LimitError{Limit: "bytes of a file name", Max: maxComponent, Entry: hdr.Name}
		}
	}
	return nil
}

// checkWhiteout refuses whiteouts of ".", ".." and of nothing. umoci v0.6.0
// joins what follows ".wh." to the folder and removes the result, so that
// ".wh..." in the root would remove the folder that the tree is in.
func checkWhiteout(hdr *tar.Header) error {
	base := path.Base(path.Clean("/" + hdr.Name))
	hidden, ok := strings.CutPrefix(base, whiteoutPrefix)
	if ok && (hidden == "" || hidden == "." || hidden == "..") {
		return &UnsafeError{Entry: hdr.Name, Problem: "is a whiteout of no file"}
	}
	return nil
}

// sanitise returns the header to extract in place of hdr. Only what lpm means
// to keep is copied, so a field that the tar format gains is not kept by
// accident.
func (x *extraction) sanitise(hdr *tar.Header) (*tar.Header, error) {
	clean := &tar.Header{
		Typeflag:   hdr.Typeflag,
		Name:       hdr.Name,
		Linkname:   hdr.Linkname,
		Size:       hdr.Size,
		Mode:       hdr.Mode & 0o1777,
		ModTime:    hdr.ModTime,
		AccessTime: hdr.ModTime,
	}
	if isWhiteout(hdr.Name) {
		// Its name is all that counts: tools write files, links and devices.
		clean.Typeflag, clean.Linkname, clean.Size = tar.TypeReg, "", 0
		return clean, nil
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	case tar.TypeGNUSparse:
		// The reader has filled the holes.
		clean.Typeflag = tar.TypeReg
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		hide(clean)
		return clean, nil
	default:
		return nil, &UnsafeError{Entry: hdr.Name, Problem: "has a type that layers do not have"}
	}
	switch x.kind {
	case Single:
		clean.Mode |= ownerBits(hdr.Typeflag)
	case Range:
		// What else the job's namespace maps is none of the image's business.
		if hdr.Uid < 0 || hdr.Uid > MaxID || hdr.Gid < 0 || hdr.Gid > MaxID {
			return nil, &OwnerError{Entry: hdr.Name, UID: hdr.Uid, GID: hdr.Gid}
		}
		clean.Uid, clean.Gid = hdr.Uid, hdr.Gid
	}
	return clean, nil
}

// ownerBits is what the one id of a single tree needs at least.
func ownerBits(typeflag byte) int64 {
	if typeflag == tar.TypeDir {
		return 0o700
	}
	return 0o400
}

// hide turns the entry into a whiteout of its own name: the node itself is
// left out, and what the layers below have there must not show through.
func hide(hdr *tar.Header) {
	dir, base := path.Split(path.Clean("/" + hdr.Name))
	hdr.Typeflag = tar.TypeReg
	hdr.Name = dir + whiteoutPrefix + base
	hdr.Linkname = ""
	hdr.Size = 0
}
