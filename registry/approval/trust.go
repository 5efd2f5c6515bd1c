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

// Trust is the keys whose approvals count, with the rules for which repositories
// they do, and how many it takes. The zero value trusts nobody.
type Trust struct {
	keys []PublicKey
	// files are all that was read, in order.
	files []trustFile
	// rules are those of each folder that has some.
	rules [][]rule
}

// trustFile is a file that says who is trusted.
type trustFile struct {
	path string
	text []byte
}

// NewTrust returns the trust in the given keys, for every repository.
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

func (t Trust) byID(id string) (PublicKey, bool) { return keyByID(t.keys, id) }

func keyByID(keys []PublicKey, id string) (PublicKey, bool) {
	for _, k := range keys {
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

// LoadTrust reads the folders of trust: their *.pub files, which are keys, and
// their *.cue, *.yaml, *.yml and *.json files, which are rules; see
// [schema.DecodeTrust]. A folder that is not there holds none. A file that
// cannot be read or is not valid is an error, not left out: whoever put it
// there counts on it. So is a file or folder that everyone can write.
func LoadTrust(dirs ...string) (Trust, error) {
	var t Trust
	for _, dir := range dirs {
		if err := t.load(dir); err != nil {
			return Trust{}, fmt.Errorf("reading trusted keys: %w", err)
		}
	}
	return t, nil
}

// load adds a folder. Names in its rules are of its own keys, or else of those
// of the folders before it.
func (t *Trust) load(dir string) error {
	names, err := listTrustDir(dir)
	if err != nil {
		return err
	}
	named := map[string]PublicKey{}
	for _, k := range t.keys {
		if _, taken := named[k.Name]; !taken {
			named[k.Name] = k
		}
	}
	var ruleFiles []trustFile
	for _, name := range names {
		f := trustFile{path: filepath.Join(dir, name)}
		isKey, isRules := filepath.Ext(name) == publicSuffix, isRuleFile(name)
		if !isKey && !isRules {
			continue
		}
		if f.text, err = readKeyFile(f.path, 0o002, 0o644); err != nil {
			return err
		}
		t.files = append(t.files, f)
		if isRules {
			ruleFiles = append(ruleFiles, f)
			continue
		}
		key, err := ParsePublicKey(f.text)
		if err != nil {
			return fmt.Errorf("public key %s: %w", f.path, err)
		}
		key.Name = strings.TrimSuffix(name, publicSuffix)
		named[key.Name] = key
		if _, known := t.byID(key.ID()); !known {
			t.keys = append(t.keys, key)
		}
	}
	rules, err := readRules(ruleFiles, named)
	if err != nil {
		return err
	}
	if len(rules) > 0 {
		t.rules = append(t.rules, rules)
	}
	return nil
}

// listTrustDir returns the names of a folder's files, sorted.
func listTrustDir(dir string) ([]string, error) {
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
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}
