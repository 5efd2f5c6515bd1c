package unpack_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// FuzzLayer feeds any bytes as a layer. Whatever they are, nothing outside
// the tree changes, and the tree can be removed.
func FuzzLayer(f *testing.F) {
	f.Add(Plain(f, Dir("d"), File("d/f", "x"), Symlink("s", "../.."), Link("h", "d/f")).Tar)
	f.Add(Plain(f, File("../canary", "dead")).Tar)
	f.Add(Plain(f, File(".wh...", ""), File("d/.wh..wh..opq", "")).Tar)
	f.Add(Plain(f, Symlink("out", ".."), File("out/canary", "dead"), File("out/.wh.canary", "")).Tar)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		img := New(t, Layer{MediaType: types.OCIUncompressedLayer, Blob: stream, Tar: stream})
		j, check := guarded(t, img)
		j.Limits = unpack.Limits{Bytes: 1 << 20, Entries: 1000}
		err := unpack.Run(t.Context(), j)
		check(t)
		if err == nil {
			if err := unpack.Run(t.Context(), unpack.Job{Kind: unpack.Remove, Dest: j.Dest}); err != nil {
				t.Errorf("removing the tree: %v", err)
			}
		}
		if _, err := os.Lstat(filepath.Clean(j.Dest)); !os.IsNotExist(err) {
			t.Error("the tree was left behind")
		}
	})
}
