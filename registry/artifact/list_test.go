package artifact

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const testType = types.MediaType("application/vnd.example.note.v1+json")

var noon = time.Date(2025, 1, 2, 12, 0, 0, 123456789, time.UTC)

func TestAttachedIsListedOldestFirst(t *testing.T) {
	m := newMemory()
	image, other := m.image("a"), m.image("b")
	var want []v1.Hash
	for i, text := range []string{"one", "two", "three"} {
		h, err := AttachBlob(t.Context(), m, image, Document{
			MediaType: testType, Content: []byte(text), Created: noon.Add(time.Duration(i)),
			Annotations: map[string]string{"k": "v"},
		})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, h)
	}
	items, err := List(t.Context(), m, image, testType, 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 3 {
		t.Fatalf("%d items", len(items))
	}
	for i, text := range []string{"one", "two", "three"} {
		if items[i].Err != nil || string(items[i].Content) != text || items[i].Digest != want[i] {
			t.Errorf("item %d is %+v, want %s %q", i, items[i], want[i], text)
		}
		if !items[i].Created.Equal(noon.Add(time.Duration(i))) {
			t.Errorf("item %d was created %v", i, items[i].Created)
		}
	}
	for _, test := range []struct {
		name  string
		image v1.Hash
		kind  types.MediaType
	}{{"another image", other, testType}, {"another type", image, "application/json"}} {
		items, err := List(t.Context(), m, test.image, test.kind, 100)
		if err != nil || len(items) != 0 {
			t.Errorf("%s: %v, %v", test.name, items, err)
		}
	}
}

// The format on the wire is a promise to other tools.
func TestFormat(t *testing.T) {
	m := newMemory()
	image := m.image("a")
	a, err := build(t.Context(), m, image, Document{MediaType: testType, Content: []byte("{}"), Created: noon})
	if err != nil {
		t.Fatal(err)
	}
	const empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"artifactType":"application/vnd.example.note.v1+json",` +
		`"config":{"mediaType":"application/vnd.example.note.v1+json","size":2,"digest":"` + empty + `"},` +
		`"layers":[{"mediaType":"application/vnd.example.note.v1+json","size":2,"digest":"` + empty + `","data":"e30="}],` +
		`"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":321,"digest":"` + image.String() + `"},` +
		`"annotations":{"org.opencontainers.image.created":"2025-01-02T12:00:00.123456789Z"}}`
	want = strings.Replace(want, `"size":321`, `"size":`+strconv.Itoa(len(imageManifest("a"))), 1)
	if string(a.Manifest) != want {
		t.Errorf("got  %s\nwant %s", a.Manifest, want)
	}
}

func TestAttachRefuses(t *testing.T) {
	m := newMemory()
	index := m.put([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
	unmarked := m.put([]byte(`{"schemaVersion":2,"manifests":[]}`))
	strange := m.put([]byte(`{"schemaVersion":2,"mediaType":"text/plain"}`))
	for _, test := range []struct {
		name    string
		subject v1.Hash
		content []byte
		check   func(error) bool
	}{
		{"an image that is not there", digestOf([]byte("x")), nil, func(err error) bool { return errors.Is(err, ErrNotFound) }},
		{"an index", index, nil, isIndexError},
		{"an index without media type", unmarked, nil, isIndexError},
		{"what is no image", strange, nil, func(err error) bool { return err != nil }},
		{"too much", m.image("a"), make([]byte, MaxDocument+1), func(err error) bool { return errors.Is(err, ErrTooLarge) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := AttachBlob(t.Context(), m, test.subject, Document{MediaType: testType, Content: test.content})
			if !test.check(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func isIndexError(err error) bool {
	var e *IndexError
	return errors.As(err, &e) && e.Hint() != ""
}

// Whoever can push to a repository can attach anything. What is not valid is
// shown with its reason; what is of another type is none of our business.
func TestHostileReferrers(t *testing.T) {
	doc := []byte("note")
	m := newMemory()
	image, other := m.image("a"), m.image("b")
	for _, test := range []struct {
		name   string
		change func(*ociManifest)
		listed func(*v1.Descriptor)
		want   string // part of Err; "" is valid, "-" is not in the list
	}{
		{name: "valid"},
		{name: "type only in the config", change: func(m *ociManifest) { m.ArtifactType = "" }},
		{name: "listed without a type", listed: func(d *v1.Descriptor) { d.ArtifactType = "" }},
		{name: "listed by the config's type", change: func(m *ociManifest) { m.Config.MediaType = EmptyConfig },
			listed: func(d *v1.Descriptor) { d.ArtifactType = EmptyConfig }},
		{name: "listed as another type", listed: func(d *v1.Descriptor) { d.ArtifactType = "text/plain" }, want: "-"},
		{name: "listed as an index", listed: func(d *v1.Descriptor) { d.MediaType = types.OCIImageIndex }, want: "-"},
		{name: "listed as ours, of another type", change: func(m *ociManifest) { m.ArtifactType = "text/plain" },
			listed: func(d *v1.Descriptor) { d.ArtifactType = string(testType) }, want: "-"},
		{name: "no subject", change: func(m *ociManifest) { m.Subject = nil }, want: "no subject"},
		{name: "subject is another image", change: func(m *ociManifest) { m.Subject.Digest = other }, want: "subject is"},
		{name: "strange config", change: func(m *ociManifest) { m.Config.MediaType = "text/plain" }, want: "config is"},
		{name: "no layer", change: func(m *ociManifest) { m.Layers = nil }, want: "0 layers"},
		{name: "two layers", change: func(m *ociManifest) { m.Layers = append(m.Layers, m.Layers[0]) }, want: "2 layers"},
		{name: "layer of another type", change: func(m *ociManifest) { m.Layers[0].MediaType = "text/plain" }, want: "layer is"},
		{name: "layer too large", change: func(m *ociManifest) { m.Layers[0].Size = 101 }, want: "too large"},
		{name: "layer of negative size", change: func(m *ociManifest) { m.Layers[0].Size = -1 }, want: "too large"},
		{name: "layer of another size", change: func(m *ociManifest) { m.Layers[0].Size = 3 }, want: "does not match"},
		{name: "layer not there", change: func(m *ociManifest) { m.Layers[0].Digest = digestOf([]byte("?")) }, want: "not found"},
		{name: "schema version", change: func(m *ociManifest) { m.SchemaVersion = 1 }, want: "schemaVersion"},
		{name: "media type", change: func(m *ociManifest) { m.MediaType = "text/plain" }, want: "media type"},
		{name: "time", change: func(m *ociManifest) { m.Annotations = map[string]string{createdAnnotation: "soon"} }, want: "RFC 3339"},
		{name: "absurd time", change: func(m *ociManifest) { m.Annotations = map[string]string{createdAnnotation: "9999-12-31T23:59:59Z"} }, want: "absurd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m.referrers = map[v1.Hash][]v1.Descriptor{}
			manifest := valid(image, testType, doc)
			if test.change != nil {
				test.change(&manifest)
			}
			m.plant(image, doc, manifest, test.listed)
			items, err := List(t.Context(), m, image, testType, 100)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "-" {
				if len(items) != 0 {
					t.Fatalf("listed: %+v", items)
				}
				return
			}
			if len(items) != 1 {
				t.Fatalf("%d items", len(items))
			}
			got := items[0]
			if test.want == "" {
				if got.Err != nil || string(got.Content) != "note" {
					t.Errorf("got %+v", got)
				}
				return
			}
			var invalid *Invalid
			if !errors.As(got.Err, &invalid) || !strings.Contains(got.Err.Error(), test.want) || got.Content != nil {
				t.Errorf("got %q, content %q; want an error with %q", got.Err, got.Content, test.want)
			}
		})
	}
}

func TestListFailsWhole(t *testing.T) {
	broken := errors.New("cable pulled")
	m := newMemory()
	image := m.image("a")
	m.plant(image, []byte("note"), valid(image, testType, []byte("note")), nil)

	m.fail = broken
	if _, err := List(t.Context(), m, image, testType, 100); !errors.Is(err, broken) {
		t.Errorf("unreadable target: got %v", err)
	}
	m.fail = nil
	m.referrers[image] = make([]v1.Descriptor, MaxReferrers+1)
	if _, err := List(t.Context(), m, image, testType, 100); !errors.Is(err, ErrTooMany) {
		t.Errorf("flooded target: got %v", err)
	}
}

func TestListedTwiceIsReadOnce(t *testing.T) {
	m := newMemory()
	image := m.image("a")
	m.plant(image, []byte("note"), valid(image, testType, []byte("note")), nil)
	m.referrers[image] = append(m.referrers[image], m.referrers[image]...)
	items, err := List(t.Context(), m, image, testType, 100)
	if err != nil || len(items) != 1 {
		t.Errorf("got %v, %v", items, err)
	}
}

func TestCopy(t *testing.T) {
	from, to := newMemory(), newMemory()
	image := from.image("a")
	to.image("a")
	good := from.plant(image, []byte("note"), valid(image, testType, []byte("note")), nil)
	bad := valid(image, testType, []byte("bad"))
	bad.Layers = nil
	from.plant(image, nil, bad, nil)
	noConfig := valid(image, testType, []byte("x"))
	noConfig.Config.Digest = digestOf([]byte("nowhere"))
	from.plant(image, []byte("x"), noConfig, nil)

	for _, want := range []int{1, 0} {
		n, err := Copy(t.Context(), from, to, image, testType, 100)
		if err != nil || n != want {
			t.Fatalf("copied %d, %v; want %d", n, err, want)
		}
	}
	items, err := List(t.Context(), to, image, testType, 100)
	if err != nil || len(items) != 1 || items[0].Digest != good || items[0].Err != nil {
		t.Errorf("got %+v, %v", items, err)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	image := digestOf([]byte("image"))
	raw, err := encodeManifest(valid(image, testType, []byte("note")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"schemaVersion":2,"layers":[{}],"subject":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decodeManifest(raw)
		if err != nil {
			return
		}
		layer, err := checkManifest(m, image, testType, 100)
		if err != nil {
			return
		}
		if m.Subject.Digest != image || layer.Size < 0 || layer.Size > 100 || layer.MediaType != testType {
			t.Errorf("accepted %+v", m)
		}
	})
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		index, err := decodeIndex(raw)
		if err != nil {
			return
		}
		for _, d := range index.Manifests {
			mayHaveType(d, testType)
		}
		if _, err := choosePlatform(raw, "amd64"); err == nil && len(index.Manifests) == 0 {
			t.Error("an image was chosen from an empty index")
		}
	})
}
