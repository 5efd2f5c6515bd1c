package unpack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

func TestLimits(t *testing.T) {
	deep := strings.Repeat("d/", 20) + "f"
	many := []Entry{File("a", ""), File("b", ""), File("c", ""), File("d", "")}
	for _, test := range []struct {
		name    string
		limit   string
		limits  unpack.Limits
		entries []Entry
	}{
		{"one file too large", "bytes", unpack.Limits{Bytes: 9}, []Entry{File("a", "0123456789")}},
		{"files too large together", "bytes", unpack.Limits{Bytes: 9}, []Entry{File("a", "01234"), File("b", "01234")}},
		{"the same file again and again", "bytes", unpack.Limits{Bytes: 9}, []Entry{File("a", "01234"), File("a", "01234")}},
		{"too many entries", "entries", unpack.Limits{Entries: 3}, many},
		{"too many implied folders", "entries", unpack.Limits{Entries: 10}, []Entry{File(deep, "")}},
		{"too deep", "components of a name", unpack.Limits{Depth: 20}, []Entry{File(deep, "")}},
		{"too long a name", "bytes of a name", unpack.Limits{Name: 20}, []Entry{File("12345678901/12345678901", "")}},
		{"a name beyond the kernel's limit", "bytes of a name", unpack.Limits{Depth: 5000}, []Entry{File(strings.Repeat("d/", 2100)+"f", "")}},
		{"too long a component", "bytes of a file name", unpack.Limits{}, []Entry{File(strings.Repeat("x", 256), "")}},
		{"too long a link", "bytes of a name", unpack.Limits{}, []Entry{Symlink("a", strings.Repeat("x", 5000))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := job(t, unpack.Single, New(t, Plain(t, test.entries...)))
			j.Limits = test.limits
			err := unpack.Run(t.Context(), j)
			var limit *unpack.LimitError
			if !errors.As(err, &limit) || limit.Limit != test.limit {
				t.Fatalf("error %v, want the limit %q", err, test.limit)
			}
			if len(err.Error()) > 5000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
				t.Error("the tree was left behind")
			}
		})
	}
	t.Run("at the limits", func(t *testing.T) {
		j := job(t, unpack.Single, New(t, Plain(t, many...)))
		j.Limits = unpack.Limits{Entries: 4, Depth: 1, Name: 1, Bytes: 1, Layers: 1}
		if err := unpack.Run(t.Context(), j); err != nil {
			t.Error(err)
		}
	})
	t.Run("too many layers", func(t *testing.T) {
		j := job(t, unpack.Single, New(t, Plain(t), Plain(t)))
		j.Limits = unpack.Limits{Layers: 1}
		var limit *unpack.LimitError
		if err := unpack.Run(t.Context(), j); !errors.As(err, &limit) || limit.Limit != "layers" {
			t.Errorf("error %v, want the limit of layers", err)
		}
	})
}

// zeros is a tar stream of one file of n zeros, without holding it.
func zeros(n int64) io.Reader {
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	// Writing a header to a buffer cannot fail.
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Mode: 0o644, Size: n})
	return io.MultiReader(&head, io.LimitReader(zeroReader{}, n+1024))
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestBombsAreDefused(t *testing.T) {
	// 300 MiB of zeros are past the free part. The layer is stored with its
	// tar left out: only its compressed form matters here.
	stream, err := io.ReadAll(zeros(300 << 20))
	if err != nil {
		t.Fatal(err)
	}
	plain := Layer{MediaType: types.OCIUncompressedLayer, Blob: stream, Tar: stream}
	for _, l := range []Layer{Gzip(t, plain), Zstd(t, plain)} {
		t.Run(string(l.MediaType), func(t *testing.T) {
			j := job(t, unpack.Single, New(t, l))
			err := unpack.Run(t.Context(), j)
			var limit *unpack.LimitError
			if !errors.As(err, &limit) || limit.Limit != "times its compressed size" {
				t.Errorf("error %v, want the limit of the ratio", err)
			}
		})
	}
}

// TestSparseFileIsCharged has a file that says it is large and is stored as
// almost nothing: the tar reader makes the zeros.
func TestSparseFileIsCharged(t *testing.T) {
	const real = 1 << 40
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	// The format is GNU's PAX 1.0: a map before the data says where the data
	// belongs. There are no data.
	body := make([]byte, 512)
	copy(body, fmt.Sprintf("1\n%d\n0\n", real))
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "GNUSparseFile.0/big", Mode: 0o644, Size: 512, Format: tar.FormatPAX})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The writer refuses sparse records, so they come before it by hand.
	stream := append(paxHeader(t, map[string]string{
		"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "big", "GNU.sparse.realsize": fmt.Sprint(real),
	}), buf.Bytes()...)
	r := tar.NewReader(bytes.NewReader(stream))
	if h, err := r.Next(); err != nil || h.Size != real {
		t.Fatalf("the test's own layer reads as %+v, %v", h, err)
	}
	j := job(t, unpack.Single, New(t, Layer{MediaType: types.OCIUncompressedLayer, Blob: stream, Tar: stream}))
	err = unpack.Run(t.Context(), j)
	var limit *unpack.LimitError
	if !errors.As(err, &limit) || limit.Limit != "bytes" {
		t.Errorf("error %v, want the limit of bytes", err)
	}
}

// paxHeader is an extended header (POSIX.1-2001, typeflag x).
func paxHeader(t *testing.T, records map[string]string) []byte {
	t.Helper()
	var body strings.Builder
	for k, v := range records {
		rest := fmt.Sprintf(" %s=%s\n", k, v)
		n := len(rest) + 2
		if n > 99 {
			t.Fatal("record too long for this test")
		}
		fmt.Fprintf(&body, "%d%s", n, rest)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: int64(body.Len()), Format: tar.FormatUSTAR})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body.String()); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	raw := buf.Bytes()
	raw[156] = 'x' // The type, and with it the checksum.
	var sum int
	copy(raw[148:156], "        ")
	for _, b := range raw[:512] {
		sum += int(b)
	}
	copy(raw[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return raw
}
