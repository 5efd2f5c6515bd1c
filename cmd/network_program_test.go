package cmd_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// extractProgram puts the program of the image of the same name into a folder: what
// a container tries is tried without lpm as well.
func extractProgram(archive, folder string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	name := strings.TrimSuffix(filepath.Base(archive), ".tar")
	for layers := tar.NewReader(f); ; {
		header, err := layers.Next()
		if err != nil {
			return errors.Join(errors.New("no layer has "+name), err)
		}
		if !strings.HasSuffix(header.Name, ".tar.gz") {
			continue
		}
		unzipped, err := gzip.NewReader(layers)
		if err != nil {
			return err
		}
		err = extractFile(tar.NewReader(unzipped), name, folder)
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// extractFile returns io.EOF where the layer has no such file.
func extractFile(layer *tar.Reader, name, folder string) error {
	for {
		header, err := layer.Next()
		if err != nil {
			return err
		}
		if path.Base(header.Name) != name || header.Typeflag != tar.TypeReg {
			continue
		}
		to, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, layer)
		return errors.Join(err, to.Close())
	}
}
