package approval

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestImport(t *testing.T) {
	key, other := generate(t, ECDSAP256), generate(t, Ed25519)
	quorum := trusting(other.Public(), key.Public())
	good, err := Sign(key, sample())
	if err != nil {
		t.Fatal(err)
	}
	in := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("the bundle has no %s", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	const material = `"verificationMaterial":{`
	for _, test := range []struct {
		name, bundle string
		want         error
	}{
		{"as lpm writes it", string(good), nil},
		{"with white space", in(":{", ": {\n ") + "\n", nil},
		{"with an entry of a transparency log", in(material, material+`"tlogEntries":[{"logIndex":"7"}],`), nil},
		{"with a timestamp", in(material, material+`"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"AAAA"}]},`), nil},
		{"with another name of the key", in(key.Public().hint(), "build key"), nil},
		{"without a name of the key", in(`"hint":"`+key.Public().hint()+`"`, ``), nil},
		{"with two signatures", in(`[{"sig"`, `[{"sig":"AA=="},{"sig"`), nil},
		{"of a certificate", in(`"publicKey":{"hint":"`+key.Public().hint()+`"}`, `"certificate":{"rawBytes":"AAAA"}`), ErrKeyless},
		{"of a stranger", in(`"sig":"ME`, `"sig":"MF`), ErrNoSuchSigner},
		{"of a file, not of a statement", `{"mediaType":"` + BundleMediaType + `","messageSignature":{"signature":"AAAA"}}`, ErrMalformed},
		{"of another payload", in("in-toto+json", "other+json"), ErrMalformed},
		{"too large", strings.Repeat(" ", MaxBundle+1), ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			bundle, a, err := Import([]byte(test.bundle), quorum)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil && (!bytes.Equal(bundle, good) || a.Reviewer.Key != key.Public().ID()) {
				t.Errorf("it became %s", bundle)
			}
		})
	}
	if _, _, err := Import([]byte("{"), quorum); err == nil {
		t.Error("half a bundle was read")
	}
}
