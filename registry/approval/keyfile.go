package approval

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/least-privilege/lpm/registry/xdg"
)

// maxKeyFile is the greatest size of a key's file, in bytes.
const maxKeyFile = 16 << 10

var keyName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.@-]{0,63}$`)

// DefaultKeyDir returns where the person's private keys are.
func DefaultKeyDir() (string, error) {
	dir, err := xdg.Settings()
	return filepath.Join(dir, "keys"), err
}

// WriteKey writes NAME.key, for the owner alone and encrypted where there is a
// passphrase, and NAME.pub into the folder, which is made if it is not there.
// It never replaces a file: the error is then [fs.ErrExist].
func WriteKey(dir, name string, key *PrivateKey, passphrase []byte) (privatePath, publicPath string, err error) {
	if !keyName.MatchString(name) {
		return "", "", fmt.Errorf("key name %q is not 1 to 64 letters, digits, '_', '.', '@' or '-'", name)
	}
	private, err := key.PEM(passphrase)
	if err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("making the folder of keys: %w", err)
	}
	privatePath = filepath.Join(dir, name+".key")
	if err := writeNew(privatePath, private, 0o600); err != nil {
		return "", "", fmt.Errorf("writing the private key: %w", err)
	}
	publicPath, err = WritePublicKey(dir, name, key.Public())
	if err != nil {
		return "", "", errors.Join(err, os.Remove(privatePath))
	}
	return privatePath, publicPath, nil
}

// WritePublicKey writes NAME.pub into the folder: with a folder of
// [TrustDirs], that is to trust the key. It never replaces a file.
func WritePublicKey(dir, name string, key PublicKey) (path string, err error) {
	if !keyName.MatchString(name) {
		return "", fmt.Errorf("key name %q is not 1 to 64 letters, digits, '_', '.', '@' or '-'", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of keys: %w", err)
	}
	path = filepath.Join(dir, name+publicSuffix)
	if err := writeNew(path, key.PEM(), 0o644); err != nil {
		return "", fmt.Errorf("writing the public key: %w", err)
	}
	return path, nil
}

func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// PermissionsError is returned for a file of keys that others than its owner
// can get at.
type PermissionsError struct {
	Path string
	Mode fs.FileMode
	// Want is the mode that would be in order.
	Want fs.FileMode
}

func (e *PermissionsError) Error() string {
	return fmt.Sprintf("%s has mode %04o, which lets others at it", e.Path, e.Mode.Perm())
}

// Hint is the command that mends it.
func (e *PermissionsError) Hint() string { return fmt.Sprintf("chmod %04o %q", e.Want, e.Path) }

// ReadPrivateKey reads a private key's file. A file that the group or others
// can read or write is refused with a [*PermissionsError].
func ReadPrivateKey(path string, passphrase Passphrase) (*PrivateKey, error) {
	text, err := readKeyFile(path, 0o077, 0o600)
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	key, err := ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	return key, nil
}

// ChangePassphrase encrypts a private key's file anew; without a passphrase it
// is not encrypted any more. The file is replaced, whole or not at all.
func ChangePassphrase(path string, key *PrivateKey, passphrase []byte) error {
	text, err := key.PEM(passphrase)
	if err != nil {
		return err
	}
	// Files of os.CreateTemp are for their owner alone.
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	return nil
}

// readKeyFile reads a regular file none of whose mode bits is forbidden.
func readKeyFile(path string, forbidden, want fs.FileMode) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&forbidden != 0:
		return nil, &PermissionsError{Path: path, Mode: info.Mode(), Want: want}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than a key can be", path)
	}
	return text, nil
}
