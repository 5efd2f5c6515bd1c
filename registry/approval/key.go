package approval

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/youmark/pkcs8"
)

// KeyKind is an algorithm of signatures.
type KeyKind string

const (
	// Ed25519 is the default: deterministic, with no curve to choose.
	Ed25519 KeyKind = "ed25519"
	// ECDSAP256 signs SHA-256 digests, for tools and hardware that have
	// nothing else.
	ECDSAP256 KeyKind = "ecdsa-p256"
)

// PublicKey verifies signatures.
type PublicKey struct {
	// Name is what the key is called where it was found: its file's name.
	Name string

	key crypto.PublicKey
	der []byte // SubjectPublicKeyInfo
}

// PrivateKey makes signatures.
type PrivateKey struct {
	signer crypto.Signer
	public PublicKey
}

// GenerateKey makes a new key.
func GenerateKey(kind KeyKind) (*PrivateKey, error) {
	var signer crypto.Signer
	var err error
	switch kind {
	case Ed25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case ECDSAP256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("key kind %q is neither %s nor %s", kind, Ed25519, ECDSAP256)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return newPrivate(signer)
}

func newPrivate(signer crypto.Signer) (*PrivateKey, error) {
	public, err := newPublic(signer.Public())
	if err != nil {
		return nil, err
	}
	return &PrivateKey{signer: signer, public: public}, nil
}

func newPublic(key crypto.PublicKey) (PublicKey, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return PublicKey{}, fmt.Errorf("key is on curve %s, not P-256", k.Curve.Params().Name)
		}
	default:
		return PublicKey{}, fmt.Errorf("key of type %T is neither Ed25519 nor ECDSA", key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encoding a public key: %w", err)
	}
	return PublicKey{key: key, der: der}, nil
}

// Public returns the key that verifies what k signs.
func (k *PrivateKey) Public() PublicKey { return k.public }

// ID returns the SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal.
func (k PublicKey) ID() string {
	sum := sha256.Sum256(k.der)
	return hex.EncodeToString(sum[:])
}

// Kind returns the key's algorithm.
func (k PublicKey) Kind() KeyKind {
	if _, ok := k.key.(ed25519.PublicKey); ok {
		return Ed25519
	}
	return ECDSAP256
}

// hint returns the id in the encoding that cosign puts into bundles.
func (k PublicKey) hint() string {
	sum := sha256.Sum256(k.der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sign signs a message: Ed25519 itself, ECDSA its SHA-256.
func (k *PrivateKey) sign(message []byte) ([]byte, error) {
	if k.public.Kind() == Ed25519 {
		return k.signer.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// verify reports whether sig is the key's signature of the message.
func (k PublicKey) verify(message, sig []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, sum[:], sig)
	}
	return false
}

const (
	privateBlock   = "PRIVATE KEY"
	encryptedBlock = "ENCRYPTED PRIVATE KEY"
	publicBlock    = "PUBLIC KEY"
	// cosign writes the former, and its old versions the latter.
	sigstoreBlock = "ENCRYPTED SIGSTORE PRIVATE KEY"
	cosignBlock   = "ENCRYPTED COSIGN PRIVATE KEY"
)

// ErrPassphrase is returned for a private key that the passphrase does not
// open.
var ErrPassphrase = errors.New("the passphrase does not open it")

// Passphrase returns the passphrase of a private key. It is asked only for keys
// that are encrypted.
type Passphrase func() ([]byte, error)

// PEM returns the private key in PKCS #8. With a passphrase it is encrypted by
// PBES2 (RFC 8018): AES-256-CBC, under a key that scrypt makes of the passphrase.
func (k *PrivateKey) PEM(passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		der, err := x509.MarshalPKCS8PrivateKey(k.signer)
		if err != nil {
			return nil, fmt.Errorf("encoding a private key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), nil
	}
	// 64 MiB and some 0.2 s for each guess, as cosign has it.
	der, err := pkcs8.MarshalPrivateKey(k.signer, passphrase, &pkcs8.Opts{
		Cipher:  pkcs8.AES256CBC,
		KDFOpts: pkcs8.ScryptOpts{SaltSize: 16, CostParameter: 1 << 16, BlockSize: 8, ParallelizationParameter: 1},
	})
	if err != nil {
		return nil, fmt.Errorf("encrypting a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: encryptedBlock, Bytes: der}), nil
}

// PEM returns the public key as a SubjectPublicKeyInfo.
func (k PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: k.der})
}

// ParsePrivateKey reads a private key in PEM: PKCS #8, plain or encrypted, or
// the form in which cosign encrypts it (scrypt and NaCl's secretbox). Without a
// passphrase that fits, the error is [ErrPassphrase].
func ParsePrivateKey(text []byte, passphrase Passphrase) (*PrivateKey, error) {
	der, kind, err := decodePEM(text, privateBlock, encryptedBlock, sigstoreBlock, cosignBlock)
	if err != nil {
		return nil, err
	}
	var key any
	if kind == privateBlock {
		key, err = x509.ParsePKCS8PrivateKey(der)
	} else {
		key, err = decrypt(der, kind, passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("decoding a private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of type %T cannot sign", key)
	}
	return newPrivate(signer)
}

// decrypt opens an encrypted private key.
func decrypt(der []byte, kind string, passphrase Passphrase) (any, error) {
	secret, err := passphrase()
	if err != nil {
		return nil, err
	}
	if kind == encryptedBlock {
		key, _, err := pkcs8.ParsePrivateKey(der, secret)
		if err != nil {
			// CBC tells a wrong passphrase from a damaged file by luck alone.
			return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
		}
		return key, nil
	}
	plain, err := encrypted.Decrypt(der, secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return x509.ParsePKCS8PrivateKey(plain)
}

// ParsePublicKey reads a public key in PEM.
func ParsePublicKey(text []byte) (PublicKey, error) {
	der, _, err := decodePEM(text, publicBlock)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, fmt.Errorf("decoding a public key: %w", err)
	}
	return newPublic(key)
}

// decodePEM returns the content of a file that has one block, of one of the
// kinds, and nothing else: a second key in it would be one that nobody sees.
func decodePEM(text []byte, kinds ...string) (content []byte, kind string, err error) {
	if !strings.HasPrefix(string(text), "-----BEGIN ") {
		return nil, "", errors.New("a key starts with -----BEGIN")
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, "", errors.New("the PEM block is not complete")
	case !slices.Contains(kinds, block.Type):
		return nil, "", fmt.Errorf("the PEM block is %q, not %q", block.Type, kinds[0])
	case len(block.Headers) > 0:
		return nil, "", errors.New("the PEM block has headers")
	case strings.TrimSpace(string(rest)) != "":
		return nil, "", errors.New("there is more after the PEM block")
	}
	return block.Bytes, block.Type, nil
}
