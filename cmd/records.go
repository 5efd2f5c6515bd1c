package cmd

import (
	"context"
	"path/filepath"

	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/xdg"
)

// ledgerFolder is below the store's: what was decided about each repository.
const ledgerFolder = "approvals"

// records returns the person's records of decisions: those kept by target, and
// the ledger beside the store.
func (s *session) records(st *store.Store, target artifact.Target) (review.Records, error) {
	dirs, err := xdg.Trust()
	if err != nil {
		return review.Records{}, err
	}
	trust, err := approval.LoadTrust(dirs...)
	if err != nil {
		return review.Records{}, err
	}
	return review.Records{
		Target: target,
		Ledger: approval.Ledger{Dir: filepath.Join(st.Dir(), ledgerFolder)},
		Trust:  trust,
	}, nil
}

// signingKey reads the key that decisions are signed with.
func (s *session) signingKey(ctx context.Context, f *keyFlags) (*approval.PrivateKey, error) {
	dir, err := approval.DefaultKeyDir()
	if err != nil {
		return nil, err
	}
	file, err := review.KeyFile(dir, f.key)
	if err != nil {
		return nil, err
	}
	return approval.ReadPrivateKey(file, s.passphraseOf(ctx, file, f.passphraseFile))
}
