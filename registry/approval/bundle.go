package approval

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

const (
	// BundleMediaType is the artifact type and the media type of a signed
	// approval: github.com/sigstore/protobuf-specs, sigstore_bundle.proto.
	BundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	// MaxBundle is the greatest size of a bundle, in bytes.
	MaxBundle = 4 << 20

	payloadType = seal.PayloadType
)

var (
	// ErrMalformed is returned for a bundle that is not in the one form in
	// which this package writes it: damaged, tampered with, or of another
	// tool (a certificate, a transparency log's entry, several signatures).
	ErrMalformed = errors.New("not a bundle signed with a key by lpm")
	// ErrSignature is returned when the signature is not that of the payload.
	ErrSignature = errors.New("the signature does not fit the statement")
)

// UnknownKeyError is returned for a bundle of a key that is not trusted.
type UnknownKeyError struct {
	// ID is the key's id as the bundle claims it.
	ID string
	// Name is what the key is called, if it is trusted for other repositories
	// than this one.
	Name, Repository string
}

func (e *UnknownKeyError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("signed with the key %s (%s), which is not trusted for %s", e.Name, e.ID, repositoryText(e.Repository))
	}
	return "signed with the key " + e.ID + ", which is not trusted"
}

// Hint says how trust is given.
func (e *UnknownKeyError) Hint() string {
	if e.Name != "" {
		return "the rules beside the trusted keys say whose approvals count; see: lpm key list"
	}
	return "to trust the signer, put the public key into ~/.config/lpm/trust.d as NAME.pub"
}

func repositoryText(repository string) string {
	if repository == "" {
		return "an image without a name"
	}
	return repository
}

// Sign returns the approval as a bundle, signed. It sets the reviewer's key.
func Sign(key *PrivateKey, a *Approval) ([]byte, error) {
	signed := *a
	signed.Reviewer.Key = key.Public().ID()
	if err := signed.check(); err != nil {
		return nil, fmt.Errorf("signing an approval: %w", err)
	}
	payload, err := encodeStatement(&signed)
	if err != nil {
		return nil, fmt.Errorf("signing an approval: %w", err)
	}
	sig, err := key.sign(dsse.PAE(payloadType, payload))
	if err != nil {
		return nil, fmt.Errorf("signing an approval: %w", err)
	}
	bundle, err := encodeBundle(envelope{hint: key.Public().hint(), payload: payload, sig: sig})
	if err != nil {
		return nil, fmt.Errorf("signing an approval: %w", err)
	}
	a.Reviewer.Key = signed.Reviewer.Key
	return bundle, nil
}

// Draft returns the in-toto statement of the approval, for another tool to sign
// with the private half of key: cosign, say, with a key that never leaves a
// token. It sets the reviewer's key.
func Draft(key PublicKey, a *Approval) ([]byte, error) {
	a.Reviewer.Key = key.ID()
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("drafting an approval: %w", err)
	}
	return encodeStatement(a)
}

// Verify returns the approval that a bundle holds, if a trusted key signed
// it. Whether it is still in force, and for which image, is for the caller to
// compare; [Effective] does. Errors are [ErrMalformed], [ErrSignature],
// [*UnknownKeyError] and [ErrOtherStatement].
func Verify(bundle []byte, quorum Quorum) (*Approval, error) {
	e, err := decodeBundle(bundle)
	if err != nil {
		return nil, err
	}
	// Strict, for otherwise the last character could be one of four.
	id, err := base64.StdEncoding.Strict().DecodeString(e.hint)
	if err != nil || len(id) != 32 {
		return nil, fmt.Errorf("%w: its key has no id", ErrMalformed)
	}
	key, known := quorum.byID(hex.EncodeToString(id))
	if !known {
		unknown := &UnknownKeyError{ID: hex.EncodeToString(id), Repository: quorum.repository}
		if elsewhere, ok := keyByID(quorum.elsewhere, unknown.ID); ok {
			unknown.Name = elsewhere.Name
		}
		return nil, unknown
	}
	if !key.verify(dsse.PAE(payloadType, e.payload), e.sig) {
		return nil, ErrSignature
	}
	a, err := decodeStatement(e.payload)
	if errors.Is(err, ErrOtherStatement) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if a.Reviewer.Key != key.ID() {
		return nil, fmt.Errorf("%w: the statement names another key than the one that signed it", ErrMalformed)
	}
	return a, nil
}

// envelope is what a bundle of this package carries.
type envelope struct {
	hint    string
	payload []byte
	sig     []byte
}

func encodeBundle(e envelope) ([]byte, error) {
	return compactJSON(&bundlepb.Bundle{
		MediaType: BundleMediaType,
		VerificationMaterial: &bundlepb.VerificationMaterial{
			Content: &bundlepb.VerificationMaterial_PublicKey{
				PublicKey: &commonpb.PublicKeyIdentifier{Hint: e.hint},
			},
		},
		Content: &bundlepb.Bundle_DsseEnvelope{
			DsseEnvelope: &dssepb.Envelope{
				Payload:     e.payload,
				PayloadType: payloadType,
				Signatures:  []*dssepb.Signature{{Sig: e.sig}},
			},
		},
	})
}

// decodeBundle reads a bundle. JSON lets one thing be written in many ways;
// here only the bytes that encodeBundle would write are read, so that no part
// of a bundle, signed or not, can be altered unnoticed.
func decodeBundle(raw []byte) (envelope, error) {
	if len(raw) > MaxBundle {
		return envelope{}, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, MaxBundle)
	}
	b := new(bundlepb.Bundle)
	if err := protojson.Unmarshal(raw, b); err != nil {
		return envelope{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	signatures := b.GetDsseEnvelope().GetSignatures()
	if len(signatures) != 1 {
		return envelope{}, fmt.Errorf("%w: %d signatures", ErrMalformed, len(signatures))
	}
	e := envelope{
		hint:    b.GetVerificationMaterial().GetPublicKey().GetHint(),
		payload: b.GetDsseEnvelope().GetPayload(),
		sig:     signatures[0].GetSig(),
	}
	again, err := encodeBundle(e)
	if err != nil {
		return envelope{}, err
	}
	if !bytes.Equal(again, raw) {
		return envelope{}, fmt.Errorf("%w: it is written in another form", ErrMalformed)
	}
	return e, nil
}

// compactJSON encodes a message deterministically: protojson adds white space
// that differs from build to build, in order that nobody relies on it.
func compactJSON(m proto.Message) ([]byte, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return compact.Bytes(), nil
}
