package approval

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

func TestKeysSurviveTheirFiles(t *testing.T) {
	for _, kind := range []KeyKind{Ed25519, ECDSAP256} {
		t.Run(string(kind), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lpm", "keys")
			key := generate(t, kind)
			private, public, err := WriteKey(dir, "ada", key, nil)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]fs.FileMode{private: 0o600, dir: 0o700} {
				info, err := os.Stat(path)
				if err != nil || info.Mode().Perm() != want {
					t.Errorf("%s has mode %v, %v; want %v", path, info.Mode(), err, want)
				}
			}
			again, err := ReadPrivateKey(private, noPassphrase)
			if err != nil {
				t.Fatal(err)
			}
			bundle, err := Sign(again, sample())
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(public)
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := ParsePublicKey(text)
			if err != nil {
				t.Fatal(err)
			}
			if verifier.Kind() != kind || verifier.ID() != key.Public().ID() {
				t.Errorf("read back %s %s", verifier.Kind(), verifier.ID())
			}
			if _, err := Verify(bundle, trusting(verifier)); err != nil {
				t.Error(err)
			}
			if _, _, err := WriteKey(dir, "ada", generate(t, kind), nil); !errors.Is(err, fs.ErrExist) {
				t.Errorf("written over: %v", err)
			}
		})
	}
}

func TestWriteKeyLeavesNoHalf(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ada.pub"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := WriteKey(dir, "ada", generate(t, Ed25519), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ada.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a private key without its public key was left: %v", err)
	}
}

func TestKeyNames(t *testing.T) {
	for name, allowed := range map[string]bool{
		"ada": true, "ada@example.org": true, "a-b_c.d": true,
		"": false, "..": false, ".ada": false, "a/b": false, "a b": false, "-x": false, strings.Repeat("a", 65): false,
	} {
		if _, _, err := WriteKey(t.TempDir(), name, generate(t, Ed25519), nil); (err == nil) != allowed {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPrivateKeyOthersCanRead(t *testing.T) {
	for mode, allowed := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false} {
		path, _, err := WriteKey(t.TempDir(), "ada", generate(t, Ed25519), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err = ReadPrivateKey(path, noPassphrase)
		var permissions *PermissionsError
		if allowed && err != nil || !allowed && (!errors.As(err, &permissions) || !strings.HasPrefix(permissions.Hint(), "chmod 0600 ")) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestGenerateKeyOfAnotherKind(t *testing.T) {
	if _, err := GenerateKey("rsa"); err == nil {
		t.Error("made")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	key := generate(t, Ed25519)
	private, err := key.PEM(nil)
	if err != nil {
		t.Fatal(err)
	}
	public := string(key.Public().PEM())
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaDER, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	rsaPublic := block("PUBLIC KEY", rsaDER, err)
	curveKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curveDER, err := x509.MarshalPKIXPublicKey(&curveKey.PublicKey)
	curvePublic := block("PUBLIC KEY", curveDER, err)
	curvePrivateDER, err := x509.MarshalPKCS8PrivateKey(curveKey)
	curvePrivate := block("PRIVATE KEY", curvePrivateDER, err)

	for _, test := range []struct{ name, public string }{
		{"empty", ""},
		{"text before it", "x\n" + public},
		{"text after it", public + "x"},
		{"two keys", public + public},
		{"headers", strings.Replace(public, "KEY-----\n", "KEY-----\nA: b\n\n", 1)},
		{"a private key", string(private)},
		{"cut off", public[:len(public)-8]},
		{"no key inside", block("PUBLIC KEY", []byte("x"), nil)},
		{"RSA", rsaPublic},
		{"P-384", curvePublic},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParsePublicKey([]byte(test.public)); err == nil {
				t.Error("parsed")
			}
		})
	}
	for _, test := range []struct{ name, private string }{
		{"a public key", public},
		{"another curve", curvePrivate},
		{"encrypted by cosign", block("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("x"), nil)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParsePrivateKey([]byte(test.private), noPassphrase); err == nil {
				t.Error("parsed")
			}
		})
	}
}

func TestLoadTrust(t *testing.T) {
	alice, bob := generate(t, Ed25519), generate(t, ECDSAP256)
	write := func(dir, name string, content []byte, mode fs.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		setup func(system, own string)
		want  []string // names of the keys, or nil for an error
	}{
		{"nobody", func(string, string) {}, []string{}},
		{"both folders, the system's first", func(system, own string) {
			write(own, "a.pub", alice.Public().PEM(), 0o644)
			write(system, "z.pub", bob.Public().PEM(), 0o644)
		}, []string{"z", "a"}},
		{"one key twice", func(system, own string) {
			write(system, "x.pub", alice.Public().PEM(), 0o644)
			write(own, "y.pub", alice.Public().PEM(), 0o644)
		}, []string{"x"}},
		{"other files do not matter", func(_, own string) {
			write(own, "README", []byte("x"), 0o644)
			write(own, "a.key", []byte("x"), 0o600)
		}, []string{}},
		{"not a key", func(_, own string) { write(own, "a.pub", []byte("x"), 0o644) }, nil},
		{"a file everyone can write", func(_, own string) { write(own, "a.pub", alice.Public().PEM(), 0o666) }, nil},
		{"a folder everyone can write", func(_, own string) {
			if err := os.Chmod(own, 0o777); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a folder by the name of a key", func(_, own string) {
			if err := os.Mkdir(filepath.Join(own, "a.pub"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"too large for a key", func(_, own string) { write(own, "a.pub", make([]byte, maxKeyFile+1), 0o644) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			system, own := filepath.Join(t.TempDir(), "system"), filepath.Join(t.TempDir(), "own")
			for _, dir := range []string{system, own} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			test.setup(system, own)
			trust, err := LoadTrust(system, own, filepath.Join(own, "not-there"))
			if test.want == nil {
				if err == nil {
					t.Errorf("trusted %v", trust.Keys())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, key := range trust.Keys() {
				got = append(got, key.Name)
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("trusted %q, want %q", got, test.want)
			}
		})
	}
}

func TestKeysAreInTheSettings(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", "/tmp/config")
	if keys, err := DefaultKeyDir(); err != nil || keys != "/tmp/config/lpm/keys" {
		t.Errorf("got %q, %v", keys, err)
	}
}

// noPassphrase is of tests whose keys are not encrypted.
func noPassphrase() ([]byte, error) { return nil, errors.New("a passphrase was asked for") }

func TestEncryptedKeys(t *testing.T) {
	const secret = " open sesame "
	answer := func(text string) Passphrase { return func() ([]byte, error) { return []byte(text), nil } }
	// cosign keeps PKCS #8 in the form of go-tuf, in a block of its own.
	sigstore := func(kind string) func(t *testing.T, key *PrivateKey) []byte {
		return func(t *testing.T, key *PrivateKey) []byte {
			t.Helper()
			der, err := x509.MarshalPKCS8PrivateKey(key.signer)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := encrypted.Encrypt(der, []byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: sealed})
		}
	}
	for name, encode := range map[string]func(*testing.T, *PrivateKey) []byte{
		"PKCS #8": func(t *testing.T, key *PrivateKey) []byte {
			t.Helper()
			text, err := key.PEM([]byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			return text
		},
		"cosign":       sigstore("ENCRYPTED SIGSTORE PRIVATE KEY"),
		"older cosign": sigstore("ENCRYPTED COSIGN PRIVATE KEY"),
	} {
		kinds := []KeyKind{Ed25519, ECDSAP256}
		if name == "older cosign" {
			kinds = kinds[1:] // it made no others
		}
		for _, kind := range kinds {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				key := generate(t, kind)
				text := encode(t, key)
				again, err := ParsePrivateKey(text, answer(secret))
				if err != nil {
					t.Fatal(err)
				}
				if again.Public().ID() != key.Public().ID() {
					t.Error("another key came out")
				}
				for _, wrong := range []string{"", strings.TrimSpace(secret)} {
					if _, err := ParsePrivateKey(text, answer(wrong)); !errors.Is(err, ErrPassphrase) {
						t.Errorf("with the passphrase %q: %v", wrong, err)
					}
				}
				asked := errors.New("nobody to ask")
				if _, err := ParsePrivateKey(text, func() ([]byte, error) { return nil, asked }); !errors.Is(err, asked) {
					t.Errorf("with nobody to ask: %v", err)
				}
			})
		}
	}
}

func TestChangePassphrase(t *testing.T) {
	key := generate(t, Ed25519)
	path, _, err := WriteKey(t.TempDir(), "ada", key, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ from, to string }{{"one", "two"}, {"two", ""}, {"", "three"}} {
		opened, err := ReadPrivateKey(path, func() ([]byte, error) { return []byte(step.from), nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := ChangePassphrase(path, opened, []byte(step.to)); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPrivateKey(path, func() ([]byte, error) { return []byte(step.to), nil })
		if err != nil || again.Public().ID() != key.Public().ID() {
			t.Fatalf("from %q to %q: %v", step.from, step.to, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}
