package approval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/registry/xdg"
)

const publicSuffix = ".pub"

// Trust is the keys whose approvals count. The zero value trusts nobody.
type Trust struct {
	keys []PublicKey
}

// NewTrust returns the trust in the given keys.
func NewTrust(keys ...PublicKey) Trust {
	var t Trust
	for _, k := range keys {
		if _, known := t.byID(k.ID()); !known {
			t.keys = append(t.keys, k)
		}
	}
	return t
}

// Keys returns the trusted keys, in the order in which they were found.
func (t Trust) Keys() []PublicKey { return slices.Clone(t.keys) }

func (t Trust) byID(id string) (PublicKey, bool) {
	for _, k := range t.keys {
		if k.ID() == id {
			return k, true
		}
	}
	return PublicKey{}, false
}

// UserTrustDir returns the folder of the keys that the person trusts.
func UserTrustDir() (string, error) {
	dir, err := xdg.Settings()
	return filepath.Join(dir, "trust.d"), err
}

// LoadTrust reads the *.pub files of the folders. A folder that is not there
// holds none. A file that is no public key is an error, not left out: whoever
// put it there counts on it. So is a file or folder that everyone can write.
func LoadTrust(dirs ...string) (Trust, error) {
	var keys []PublicKey
	for _, dir := range dirs {
		found, err := loadDir(dir)
		if err != nil {
			return Trust{}, fmt.Errorf("reading trusted keys: %w", err)
		}
		keys = append(keys, found...)
	}
	return NewTrust(keys...), nil
}

func loadDir(dir string) ([]PublicKey, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, &PermissionsError{Path: dir, Mode: info.Mode(), Want: 0o755}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var keys []PublicKey
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), publicSuffix)
		if !ok {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		text, err := readKeyFile(path, 0o002, 0o644)
		if err != nil {
			return nil, err
		}
		key, err := ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", path, err)
		}
		key.Name = name
		keys = append(keys, key)
	}
	return keys, nil
}
