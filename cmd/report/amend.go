package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// reason is what an amended manifest says of what is new in it.
const reason = "asked for while it ran, and granted with always"

// errThere is returned for what a manifest says already.
var errThere = errors.New("it is in the manifest, and was denied when that was approved")

// amendment is a manifest with what a person has granted for always.
type amendment struct {
	// name is the file's, before it is known to be free.
	name string
	// manifest is at first the one that is attached to the image.
	manifest *manifest.Manifest
	file     *os.File
}

// add writes the manifest with one grant more, and returns the file's name.
func (a *amendment) add(g supervise.Grant) (string, error) {
	amended, err := g.Amend(a.manifest, reason)
	if err != nil {
		return "", err
	}
	if len(manifest.Covers(a.manifest, amended)) == 0 {
		return "", errThere
	}
	data, err := amended.Canonical()
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, data, "", "  "); err != nil {
		return "", err
	}
	text.WriteByte('\n')
	if a.file == nil {
		if a.file, err = createNew(a.name); err != nil {
			return "", err
		}
	}
	if _, err := a.file.WriteAt(text.Bytes(), 0); err != nil {
		return "", fmt.Errorf("writing the amended manifest: %w", err)
	}
	// A manifest only grows while it is amended; this is to be sure.
	if err := a.file.Truncate(int64(text.Len())); err != nil {
		return "", fmt.Errorf("writing the amended manifest: %w", err)
	}
	a.manifest = amended
	return a.file.Name(), nil
}

func (a *amendment) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// createNew makes a file that was not there: "app.amended.json", or with the
// first number that is free. What an earlier run has left is a person's work,
// and a link that somebody else has laid there is not followed.
func createNew(name string) (*os.File, error) {
	const most = 1000
	base, ending := name, path.Ext(name)
	base = strings.TrimSuffix(base, ending)
	for n := 2; ; n++ {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrExist) || n > most {
			return nil, fmt.Errorf("writing the amended manifest: %w", err)
		}
		name = base + "-" + strconv.Itoa(n) + ending
	}
}

// AmendedName is the name of the file, in the current folder, that a manifest
// of an image is written to: of "registry.example/team/app:1.2" it is
// "app.amended.json".
func AmendedName(image string) string {
	name, _, _ := strings.Cut(image, "@")
	name = path.Base(name)
	name, _, _ = strings.Cut(name, ":")
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || strings.Trim(name, ".") == "" {
		name = "image"
	}
	return name + ".amended.json"
}
