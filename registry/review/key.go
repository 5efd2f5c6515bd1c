package review

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/registry/approval"
)

const (
	// DefaultKey is the name of the key that signs where none is named.
	DefaultKey    = "default"
	privateSuffix = ".key"
)

// NoKeyError is returned where it cannot be told which key is to sign.
type NoKeyError struct {
	Dir string
	// Names are the keys there are.
	Names []string
}

func (e *NoKeyError) Error() string {
	if len(e.Names) == 0 {
		return "there is no key to sign with"
	}
	return fmt.Sprintf("there are several keys to sign with: %s", strings.Join(e.Names, ", "))
}

// Hint tells how a key is made or chosen.
func (e *NoKeyError) Hint() string {
	if len(e.Names) == 0 {
		return "make one with: lpm key new"
	}
	return "choose one with --key NAME"
}

// KeyNames returns the names of the private keys in a folder, sorted; none
// where the folder is not there.
func KeyNames(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the folder of keys: %w", err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), privateSuffix); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// SigningKey reads a private key: a file where name has a slash, otherwise the
// key of that name in the folder. Without a name it is the one called
// [DefaultKey], or the only one there is; otherwise the error is a
// [*NoKeyError].
func SigningKey(dir, name string) (*approval.PrivateKey, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return approval.ReadPrivateKey(name)
	}
	if name == "" {
		names, err := KeyNames(dir)
		if err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(names, DefaultKey):
			name = DefaultKey
		case len(names) == 1:
			name = names[0]
		default:
			return nil, &NoKeyError{Dir: dir, Names: names}
		}
	}
	return approval.ReadPrivateKey(filepath.Join(dir, name+privateSuffix))
}
