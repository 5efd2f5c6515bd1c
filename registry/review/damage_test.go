package review_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// TestOneByte changes one byte at random in what a launch rests on: the image's
// manifest, config and layers, the permissions, the approvals with the artifacts
// that carry them, the index and the ledger. Out of 1,000 changes none is to be
// accepted: either the launch is refused, or nothing has come of it and the same
// content runs with the same permissions.
func TestOneByte(t *testing.T) {
	const changes = 1000
	random := rand.New(rand.NewPCG(1, 2))
	for _, story := range []struct {
		name string
		tell func(t *testing.T, d desk)
	}{
		{"approved in part", func(t *testing.T, d desk) {
			q := d.request(t, asking(t), now)
			d.approve(t, q, approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}, now.Add(time.Minute))
			q = d.open(t, now.Add(time.Minute))
			d.approve(t, q, approval.Choice{Accepted: []string{"network:host"}, Denied: []string{"syscall:ptrace"}}, now.Add(time.Hour))
		}},
		{"revoked", func(t *testing.T, d desk) {
			q := d.request(t, asking(t), now)
			d.approve(t, q, approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}, now.Add(time.Minute))
			if _, err := d.records.Revoke(t.Context(), d.subject, "", d.key, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			dir := t.TempDir()
			d := newDeskIn(t, dir)
			story.tell(t, d)
			sound := d.launch(t.Context(), dir)
			files := damageable(t, dir)
			var refused, unused int
			for range changes / 2 {
				file := files[random.IntN(len(files))]
				undo, at := flip(t, file, random)
				got := d.launch(t.Context(), dir)
				undo()
				switch {
				case got == sound && strings.HasPrefix(got, "runs "):
					unused++
				case !strings.HasPrefix(got, "runs "):
					refused++
				default:
					t.Fatalf("byte %d of %s: %s, and undamaged: %s", at, file, got, sound)
				}
			}
			if refused == 0 {
				t.Error("no damage was seen")
			}
			if again := d.launch(t.Context(), dir); again != sound {
				t.Fatalf("after all of it: %s", again)
			}
			t.Logf("%d changes in %d files: %d refused, %d without effect, 0 accepted", changes/2, len(files), refused, unused)
		})
	}
}

// launch does what a launch rests on, anew, and says what would run.
func (d desk) launch(ctx context.Context, dir string) string {
	text, err := d.launched(ctx, dir)
	if err != nil {
		return "refused: " + err.Error()
	}
	return "runs " + text
}

func (d desk) launched(ctx context.Context, dir string) (string, error) {
	st, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		return "", err
	}
	img, err := st.Resolve("app:1")
	if err != nil {
		return "", err
	}
	config, err := st.Config(img)
	if err != nil {
		return "", err
	}
	records := d.records
	records.Target = artifact.NewLocal(st)
	q, err := records.Open(ctx, review.Subject{Digest: img.Digest, Repository: d.subject.Repository, Name: "app:1"}, now.Add(2*time.Hour))
	if err != nil {
		return "", err
	}
	if q.Grant == nil {
		return "", q.Refusal
	}
	permissions, err := q.Grant.Manifest.Digest()
	if err != nil {
		return "", err
	}
	tree, err := st.Tree(ctx, img, store.Single)
	if err != nil {
		return "", err
	}
	content, err := sumOf(tree.Path)
	if err := tree.Close(); err != nil {
		return "", err
	}
	if err != nil {
		return "", err
	}
	// The next launch unpacks the image anew.
	if err := os.RemoveAll(filepath.Dir(tree.Path)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s with %s: %q of %s", img.Digest, permissions, config.Config.Cmd, content), nil
}

// sumOf returns the digest of the files below a folder.
func sumOf(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %v\n", path, entry.Type())
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		h.Write(content)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// damageable returns the files that a launch rests on.
func damageable(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"store/blobs/sha256/*", "store/index.json", "store/oci-layout", "ledger/docker.io/library/app/@/*"} {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	return files
}

// flip changes a byte of a file, and returns how that is undone.
func flip(t *testing.T, file string, random *rand.Rand) (undo func(), at int) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func() {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at = random.IntN(len(content))
	by := byte(1 + random.IntN(255))
	content[at] ^= by
	write()
	return func() { content[at] ^= by; write() }, at
}

// approve signs a choice.
func (d desk) approve(t *testing.T, q *review.Request, c approval.Choice, at time.Time) {
	t.Helper()
	if _, err := d.records.Approve(t.Context(), q, c, d.key, at); err != nil {
		t.Fatal(err)
	}
}

// newDeskIn is [newDesk] in a folder that is known.
func newDeskIn(t *testing.T, dir string) desk {
	t.Helper()
	imagetest.New(t, imagetest.Plain(t, imagetest.File("bin/app", "app"))).Layout(t, filepath.Join(dir, "layout"), "app:1")
	st, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	images, err := st.Load(t.Context(), filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := approval.GenerateKey(approval.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return desk{
		records: review.Records{
			Target: artifact.NewLocal(st),
			Ledger: approval.Ledger{Dir: filepath.Join(dir, "ledger")},
			Trust:  approval.NewTrust(key.Public()),
		},
		subject: review.Subject{Digest: images[0].Digest, Repository: "docker.io/library/app", Name: "app:1"},
		key:     key,
	}
}
