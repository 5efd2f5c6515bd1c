package store_test

import (
	"errors"
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// artifact makes an artifact's manifest and content.
func artifact(t *testing.T, subject v1.Descriptor, text string) (v1.Descriptor, [][]byte) {
	t.Helper()
	const mediaType = "application/vnd.example.v1+json"
	config, content := []byte("{}"), []byte(fmt.Sprintf("%q", text))
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: subject.MediaType, ArtifactType: mediaType, Subject: &subject,
		Config: v1.Descriptor{MediaType: mediaType, Size: int64(len(config)), Digest: Hash(config)},
		Layers: []v1.Descriptor{{MediaType: mediaType, Size: int64(len(content)), Digest: Hash(content)}},
	}
	raw := Marshal(t, m)
	return v1.Descriptor{
		MediaType: subject.MediaType, Size: int64(len(raw)), Digest: Hash(raw), ArtifactType: mediaType,
		Annotations: map[string]string{"org.opencontainers.image.created": "2026-03-01T12:00:00Z"},
	}, [][]byte{config, content, raw}
}

func TestReferrers(t *testing.T) {
	s := open(t)
	src := image(t, "x")
	load(t, s, src, "a:1")
	subject := src.Descriptor.Digest
	if got, err := s.Referrers(subject); err != nil || len(got) != 0 {
		t.Errorf("Referrers = %v, %v, want none", got, err)
	}
	one, oneBlobs := artifact(t, src.Descriptor, "one")
	two, twoBlobs := artifact(t, src.Descriptor, "two")
	for range 2 {
		if err := s.AddReferrer(t.Context(), subject, one, oneBlobs...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddReferrer(t.Context(), subject, two, twoBlobs...); err != nil {
		t.Fatal(err)
	}
	got, err := s.Referrers(subject)
	if err != nil || len(got) != 2 || got[0].Digest != one.Digest || got[1].Digest != two.Digest {
		t.Fatalf("Referrers = %+v, %v, want both in order", got, err)
	}
	if fmt.Sprint(got[0]) != fmt.Sprint(one) {
		t.Errorf("descriptor %+v, want what was added, %+v", got[0], one)
	}
	wantNames(t, s, "a:1 "+short(src))

	other := Hash([]byte("no image"))
	if err := s.AddReferrer(t.Context(), other, one, oneBlobs...); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an artifact of no image: %v, want ErrNotFound", err)
	}
	three, blobs := artifact(t, src.Descriptor, "three")
	for i, missing := range []string{"content", "manifest"} {
		if err := s.AddReferrer(t.Context(), subject, three, append([][]byte{}, blobs[2-2*i:3-2*i]...)...); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an artifact without its %s: %v, want ErrNotFound", missing, err)
		}
	}
}

func TestArtifactsOutliveTheirImage(t *testing.T) {
	s := open(t)
	one, two := image(t, "one"), image(t, "two")
	load(t, s, one, "a:latest")
	desc, blobs := artifact(t, one.Descriptor, "approval")
	if err := s.AddReferrer(t.Context(), one.Descriptor.Digest, desc, blobs...); err != nil {
		t.Fatal(err)
	}
	load(t, s, two, "a:latest")
	report, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Images) != 1 || report.Images[0] != one.Descriptor.Digest {
		t.Errorf("pruned %v, want the older image", report.Images)
	}
	subjects, err := s.Subjects()
	if err != nil || len(subjects) != 1 || subjects[0] != one.Descriptor.Digest {
		t.Errorf("Subjects = %v, %v, want the older image", subjects, err)
	}
	if got, err := s.ReadBlob(Hash(blobs[1]), 100); err != nil || string(got) != string(blobs[1]) {
		t.Errorf("the artifact's content is %q, %v", got, err)
	}
	// Removed by name, an image takes its artifacts with it.
	desc, blobs = artifact(t, two.Descriptor, "other")
	if err := s.AddReferrer(t.Context(), two.Descriptor.Digest, desc, blobs...); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Referrers(two.Descriptor.Digest); err != nil || len(got) != 0 {
		t.Errorf("Referrers = %v, %v, want none", got, err)
	}
}
