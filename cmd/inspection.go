package cmd

import (
	"encoding/json"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
)

// inspection is what inspect prints as JSON.
type inspection struct {
	Name  string  `json:"name"`
	Image v1.Hash `json:"image"`
	// Size is the sum of the layers as they are stored, in bytes; left out
	// where there is no manifest.
	Size int64 `json:"size,omitempty"`
	// Manifest is null where there is none.
	Manifest *inspectedManifest `json:"manifest"`
	// Older counts valid manifests that a newer one took the place of.
	Older    int            `json:"older,omitempty"`
	Approval *approvalState `json:"approval,omitempty"`
	// Counts are of what is asked for, Granted of what the approval left of it
	// where it denied something.
	Counts  *counts `json:"counts,omitempty"`
	Granted *counts `json:"granted,omitempty"`
	// Runs are the records of runs that are attached to the image.
	Runs []explainedRun `json:"runs,omitempty"`
	// Trials are those that were made with permissions left out.
	Trials      []explainedTrials     `json:"trials,omitempty"`
	Permissions []inspectedPermission `json:"permissions"`
	Invalid     []invalidManifest     `json:"invalid,omitempty"`
}

// inspectedManifest is the artifact, and the document in it.
type inspectedManifest struct {
	Digest      v1.Hash         `json:"digest"`
	Created     time.Time       `json:"created,omitzero"`
	Permissions v1.Hash         `json:"permissions"`
	Document    json.RawMessage `json:"document"`
}

// inspectedPermission is a permission, and what the records show of it.
type inspectedPermission struct {
	manifest.Permission
	// Seen is that in a line, and Evidence in full, where there are records.
	Seen     string                `json:"seen,omitempty"`
	Evidence *analyzer.Explanation `json:"evidence,omitempty"`
	// Need is what trials without it have found, and NeedReason why.
	Need       analyzer.Need `json:"need,omitempty"`
	NeedReason string        `json:"needReason,omitempty"`
	// Denied tells that the approval in force does not grant it.
	Denied bool `json:"denied,omitempty"`
}

// invalidManifest is what was attached as a manifest and is none.
type invalidManifest struct {
	Digest v1.Hash `json:"digest"`
	Error  string  `json:"error"`
}

func invalidOf(found []artifact.Found) []invalidManifest {
	var list []invalidManifest
	for _, f := range found {
		list = append(list, invalidManifest{f.Digest, f.Err.Error()})
	}
	return list
}

// inspection returns it as JSON has it.
func (i *inspected) inspection() (*inspection, error) {
	q := i.request
	document, err := q.Found.Manifest.Canonical()
	if err != nil {
		return nil, err
	}
	permissions, err := digestOf(q.Found.Manifest)
	if err != nil {
		return nil, err
	}
	return &inspection{
		Name:  q.Subject.Name,
		Image: q.Subject.Digest,
		Size:  i.size,
		Manifest: &inspectedManifest{
			Digest: q.Found.Digest, Created: q.Found.Created, Permissions: permissions, Document: document,
		},
		Older:       q.Older,
		Approval:    &i.state,
		Counts:      &i.counts,
		Granted:     i.granted,
		Runs:        i.why.Runs,
		Trials:      i.why.Trials,
		Permissions: i.permissions(),
		Invalid:     invalidOf(q.Invalid),
	}, nil
}

func (i *inspected) permissions() []inspectedPermission {
	kept := i.kept()
	list := make([]inspectedPermission, 0, len(i.why.permissions))
	for _, p := range i.why.permissions {
		list = append(list, inspectedPermission{p.Permission, i.why.seen(p), p.Evidence, p.Need, p.NeedReason, kept != nil && !kept[p.ID]})
	}
	return list
}

// kept has what is granted now; it is nil where no approval is in force. With
// the network its ports are denied too, so that what the approvals denied by
// name is not all that they take away.
func (i *inspected) kept() map[string]bool {
	if i.request.Grant == nil {
		return nil
	}
	kept := map[string]bool{}
	for _, p := range i.request.Grant.Manifest.Permissions() {
		kept[p.ID] = true
	}
	return kept
}
