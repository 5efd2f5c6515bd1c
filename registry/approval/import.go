package approval

import (
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// ErrKeyless is returned for a bundle that was signed with a certificate.
var ErrKeyless = errors.New("it is signed with a certificate, and lpm trusts keys")

// Import turns a sigstore bundle that another tool has made into the one form
// that [Verify] reads, and verifies it. The signed statement and its signature
// stay as they are. What else such a bundle may carry proves nothing here and is
// left out: entries of a transparency log, timestamps, and a name of the key
// that is not its id.
func Import(raw []byte, quorum Quorum) ([]byte, *Approval, error) {
	if len(raw) > MaxBundle {
		return nil, nil, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, MaxBundle)
	}
	b := new(bundlepb.Bundle)
	if err := protojson.Unmarshal(raw, b); err != nil {
		return nil, nil, fmt.Errorf("not a sigstore bundle: %w", err)
	}
	material, signed := b.GetVerificationMaterial(), b.GetDsseEnvelope()
	switch {
	case material.GetCertificate() != nil || material.GetX509CertificateChain() != nil:
		return nil, nil, ErrKeyless
	case signed == nil:
		return nil, nil, fmt.Errorf("%w: it has no DSSE envelope, which is for statements", ErrMalformed)
	case signed.GetPayloadType() != payloadType:
		return nil, nil, fmt.Errorf("%w: its payload is %q, not %q", ErrMalformed, signed.GetPayloadType(), payloadType)
	}
	message := dsse.PAE(payloadType, signed.GetPayload())
	for _, sig := range signed.GetSignatures() {
		for _, key := range quorum.keys {
			if !key.verify(message, sig.GetSig()) {
				continue
			}
			bundle, err := encodeBundle(envelope{hint: key.hint(), payload: signed.GetPayload(), sig: sig.GetSig()})
			if err != nil {
				return nil, nil, err
			}
			a, err := Verify(bundle, quorum)
			return bundle, a, err
		}
	}
	return nil, nil, ErrNoSuchSigner
}

// ErrNoSuchSigner is returned for a bundle that no trusted key has signed.
var ErrNoSuchSigner = errors.New("none of the keys whose decisions count here has signed it")
