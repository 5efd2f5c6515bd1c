package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
)

// elsewhereFlags are those by which another tool signs: one whose key lpm
// cannot read, for it is in a token or a service.
type elsewhereFlags struct {
	// draft is the file that the statement is written to, by is the public key
	// that will have signed it, and signed the file that comes back.
	draft, by, signed string
}

// check refuses what does not go together.
func (f elsewhereFlags) check(key string) error {
	switch {
	case f.draft == "" && f.by != "":
		return usagef("", "--by says who is to sign what --draft writes")
	case f.draft != "" && f.by == "":
		return usagef("name the public key that will sign it, such as --by cosign.pub", "--draft needs --by")
	case f.draft != "" && f.signed != "":
		return usagef("", "--draft comes before the signing, --signed after it")
	case key != "" && f.draft+f.signed != "":
		return usagef("", "--key signs here, and --draft and --signed are for signing elsewhere")
	}
	return writableFiles(f.draft)
}

// draftApproval writes the statement of a choice for another tool to sign.
func (s *session) draftApproval(ctx context.Context, text string, records review.Records, q *review.Request, c approval.Choice, f elsewhereFlags, now time.Time) error {
	key, err := publicKey(records.Trust, f.by)
	if err != nil {
		return err
	}
	statement, err := records.Draft(ctx, q, c, key, now)
	if err != nil {
		return fmt.Errorf("approving %s: %w", text, err)
	}
	if err := writeFile(f.draft, statement); err != nil {
		return err
	}
	s.term.Warn("nothing is approved yet: sign %s, then give what was signed to lpm approve %s --signed", f.draft, text)
	return nil
}

// publicKey returns a public key: that of a file where name has a slash or ends
// in .pub, otherwise the trusted one of that name.
func publicKey(trust approval.Trust, name string) (approval.PublicKey, error) {
	if !strings.Contains(name, "/") && !strings.HasSuffix(name, ".pub") {
		for _, k := range trust.Keys() {
			if k.Name == name {
				return k, nil
			}
		}
		return approval.PublicKey{}, usagef("lpm key list shows the keys there are", "no key %q is trusted", name)
	}
	return readPublicKey(name)
}

func readPublicKey(file string) (approval.PublicKey, error) {
	text, err := readBounded(file, maxPublicKey)
	if err != nil {
		return approval.PublicKey{}, err
	}
	if len(text) > maxPublicKey {
		return approval.PublicKey{}, fmt.Errorf("%s is larger than a public key can be", file)
	}
	key, err := approval.ParsePublicKey(text)
	if err != nil {
		return key, fmt.Errorf("public key %s: %w", file, err)
	}
	return key, nil
}

// maxPublicKey is the greatest size of a public key's file, in bytes.
const maxPublicKey = 16 << 10

// keepSigned keeps an approval that another tool has signed.
func (s *session) keepSigned(ctx context.Context, text string, records review.Records, q *review.Request, file string, form output) error {
	bundle, err := readBounded(file, approval.MaxBundle)
	if err != nil {
		return err
	}
	a, err := records.Keep(ctx, q, bundle)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return s.printDecision(text, a, form)
}
