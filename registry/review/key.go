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
	publicSuffix  = ".pub"
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

// SigningKey reads a private key, of the file that [KeyFile] returns.
func SigningKey(dir, name string, passphrase approval.Passphrase) (*approval.PrivateKey, error) {
	path, err := KeyFile(dir, name)
	if err != nil {
		return nil, err
	}
	return approval.ReadPrivateKey(path, passphrase)
}

// KeyFile returns the file of a private key: name itself where it has a slash,
// otherwise the key of that name in the folder. Without a name it is the one
// called [DefaultKey], or the only one there is; otherwise the error is a
// [*NoKeyError].
func KeyFile(dir, name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	if name == "" {
		names, err := KeyNames(dir)
		if err != nil {
			return "", err
		}
		switch {
		case slices.Contains(names, DefaultKey):
			name = DefaultKey
		case len(names) == 1:
			name = names[0]
		default:
			return "", &NoKeyError{Dir: dir, Names: names}
		}
	}
	return filepath.Join(dir, name+privateSuffix), nil
}

// PublicHalf returns the public half of the key of that name in the folder. Of
// an encrypted one it is read from NAME.pub, beside it, and only where that is
// not there the passphrase is asked for.
func PublicHalf(dir, name string, passphrase approval.Passphrase) (approval.PublicKey, error) {
	private, beside := filepath.Join(dir, name+privateSuffix), filepath.Join(dir, name+publicSuffix)
	var public approval.PublicKey
	key, err := approval.ReadPrivateKey(private, func() ([]byte, error) {
		text, err := os.ReadFile(beside)
		if errors.Is(err, fs.ErrNotExist) {
			return passphrase()
		}
		if err == nil {
			public, err = approval.ParsePublicKey(text)
		}
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", beside, err)
		}
		return nil, errFoundBeside
	})
	if errors.Is(err, errFoundBeside) {
		return public, nil
	}
	if err != nil {
		return public, err
	}
	return key.Public(), nil
}

// errFoundBeside ends the reading of a private key of which only the public
// half is wanted.
var errFoundBeside = errors.New("the public key is enough")
