package approval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// PredicateType names the predicate of an approval within an in-toto
// statement. The predicate's fields are those of the type predicate.
const PredicateType = seal.PredicateType

// The names of the statement's two subjects, in their order.
const (
	imageSubject    = "image"
	manifestSubject = "manifest"
)

// predicate is an approval as JSON. Digests have their algorithm before them;
// times are RFC 3339 in UTC; no field is a number, which JSON tools may round.
type predicate struct {
	Decision     Decision `json:"decision"`
	Repository   string   `json:"repository,omitempty"`
	Permissions  string   `json:"permissions"`
	Granted      []string `json:"granted,omitempty"`
	Denied       []string `json:"denied,omitempty"`
	Accepted     []string `json:"accepted,omitempty"`
	ShownAgainst string   `json:"shownAgainst,omitempty"`
	Reviewer     reviewer `json:"reviewer"`
	Time         string   `json:"time"`
	Expires      string   `json:"expires,omitempty"`
}

type reviewer struct {
	Key  string `json:"key"`
	Name string `json:"name,omitempty"`
}

// encodeStatement returns the payload that is signed.
func encodeStatement(a *Approval) ([]byte, error) {
	p := predicate{
		Decision:    a.Decision,
		Repository:  a.Repository,
		Permissions: a.PermissionsDigest.String(),
		Granted:     a.Granted,
		Denied:      a.Denied,
		Accepted:    a.Accepted,
		Reviewer:    reviewer{a.Reviewer.Key, a.Reviewer.Name},
		Time:        formatTime(a.Time),
	}
	if a.ShownAgainst != (v1.Hash{}) {
		p.ShownAgainst = a.ShownAgainst.String()
	}
	if !a.Expires.IsZero() {
		p.Expires = formatTime(a.Expires)
	}
	fields, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the predicate: %w", err)
	}
	body := new(structpb.Struct)
	if err := protojson.Unmarshal(fields, body); err != nil {
		return nil, fmt.Errorf("encoding the predicate: %w", err)
	}
	s := &intoto.Statement{
		Type: intoto.StatementTypeUri,
		Subject: []*intoto.ResourceDescriptor{
			{Name: imageSubject, Digest: map[string]string{"sha256": a.ImageDigest.Hex}},
			{Name: manifestSubject, Digest: map[string]string{"sha256": a.ManifestDigest.Hex}},
		},
		PredicateType: PredicateType,
		Predicate:     body,
	}
	return compactJSON(s)
}

// ErrOtherStatement is returned for a statement that is not an approval, such
// as an SBOM or provenance attached to the same image.
var ErrOtherStatement = errors.New("the statement is not an approval")

// decodeStatement reads a payload whose signature was verified.
func decodeStatement(payload []byte) (*Approval, error) {
	s := new(intoto.Statement)
	if err := protojson.Unmarshal(payload, s); err != nil {
		return nil, fmt.Errorf("decoding the statement: %w", err)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if s.GetType() != intoto.StatementTypeUri {
		return nil, fmt.Errorf("statement type is %q", s.GetType())
	}
	if s.GetPredicateType() != PredicateType {
		return nil, fmt.Errorf("predicate type %q: %w", s.GetPredicateType(), ErrOtherStatement)
	}
	a := new(Approval)
	if err := decodeSubjects(a, s.GetSubject()); err != nil {
		return nil, err
	}
	fields, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		return nil, fmt.Errorf("decoding the predicate: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(fields))
	decoder.DisallowUnknownFields()
	var p predicate
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("decoding the predicate: %w", err)
	}
	if err := decodePredicate(a, p); err != nil {
		return nil, fmt.Errorf("predicate: %w", err)
	}
	return a, a.check()
}

func decodeSubjects(a *Approval, subjects []*intoto.ResourceDescriptor) error {
	if len(subjects) != 2 {
		return fmt.Errorf("statement has %d subjects, not an image and its manifest", len(subjects))
	}
	for i, want := range []struct {
		name   string
		digest *v1.Hash
	}{{imageSubject, &a.ImageDigest}, {manifestSubject, &a.ManifestDigest}} {
		digests := subjects[i].GetDigest()
		if subjects[i].GetName() != want.name || len(digests) != 1 {
			return fmt.Errorf("subject %d is not the %s by one digest", i, want.name)
		}
		h, err := parseDigest("sha256:" + digests["sha256"])
		if err != nil {
			return fmt.Errorf("subject %s: %w", want.name, err)
		}
		*want.digest = h
	}
	return nil
}

func decodePredicate(a *Approval, p predicate) (err error) {
	a.Decision, a.Repository = p.Decision, p.Repository
	a.Granted, a.Denied, a.Accepted = p.Granted, p.Denied, p.Accepted
	a.Reviewer = Reviewer{Key: p.Reviewer.Key, Name: p.Reviewer.Name}
	if a.PermissionsDigest, err = parseDigest(p.Permissions); err != nil {
		return fmt.Errorf("permissions: %w", err)
	}
	if p.ShownAgainst != "" {
		if a.ShownAgainst, err = parseDigest(p.ShownAgainst); err != nil {
			return fmt.Errorf("shownAgainst: %w", err)
		}
	}
	if a.Time, err = parseTime(p.Time); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if p.Expires != "" {
		if a.Expires, err = parseTime(p.Expires); err != nil {
			return fmt.Errorf("expires: %w", err)
		}
	}
	return nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// parseTime takes what formatTime writes and no other spelling of it.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || formatTime(t) != text {
		return time.Time{}, fmt.Errorf("%q is not a time in RFC 3339 and UTC", text)
	}
	return t.UTC(), nil
}
