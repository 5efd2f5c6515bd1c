package artifact

import (
	"context"
	"errors"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const recordType = "application/vnd.example.record"

// withImage returns a target with an image to refer to.
func withImage() (*memory, v1.Hash) {
	m := newMemory()
	return m, m.put([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`))
}

func TestAttachOnce(t *testing.T) {
	m, subject := withImage()
	attach := func(content string, second int64) v1.Hash {
		t.Helper()
		h, err := AttachOnce(context.Background(), m, subject, Document{MediaType: recordType, Content: []byte(content), Created: time.Unix(second, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := attach("one", 1)
	if again := attach("one", 2); again != first {
		t.Errorf("the same document is attached twice: %s and %s", first, again)
	}
	if other := attach("two", 3); other == first {
		t.Error("another document is taken for the first")
	}
	items, err := List(context.Background(), m, subject, recordType, 100)
	if err != nil || len(items) != 2 {
		t.Errorf("%d documents, want 2 (%v)", len(items), err)
	}
	m.fail = errors.New("unreachable")
	if _, err := AttachOnce(context.Background(), m, subject, Document{MediaType: recordType, Content: []byte("one")}); !errors.Is(err, m.fail) {
		t.Errorf("error %v, want the target's", err)
	}
}

// TestWithin: a registry that has many large documents does not make a reader
// hold them all.
func TestWithin(t *testing.T) {
	m, subject := withImage()
	for i, content := range []string{"1234567890", "abcdefghij", "xyz"} {
		doc := Document{MediaType: recordType, Content: []byte(content), Created: time.Unix(int64(i), 0)}
		if _, err := AttachBlob(context.Background(), m, subject, doc); err != nil {
			t.Fatal(err)
		}
	}
	items, err := List(context.Background(), Within(m, 15), subject, recordType, 100)
	if err != nil {
		t.Fatal(err)
	}
	var read, refused int
	for _, item := range items {
		switch {
		case item.Err == nil:
			read += len(item.Content)
		case errors.Is(item.Err, ErrTooLarge):
			refused++
		default:
			t.Errorf("unexpected: %v", item.Err)
		}
	}
	if read != 13 || refused != 1 {
		t.Errorf("%d bytes read and %d documents refused, want 13 and 1", read, refused)
	}
}
