package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
	"github.com/least-privilege/lpm/registry/unpack/rangetest"
)

// busyVariable makes the test binary work on the store it names until killed.
const busyVariable = "LPM_TEST_BUSY_STORE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(busyVariable); dir != "" {
		if err := busy(dir, os.Getenv(busyVariable+"_SOURCE"), os.Getenv(busyVariable+"_SEED")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(onceVariable); dir != "" {
		if err := once(dir, os.Getenv(onceVariable+"_SOURCE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	rangetest.Main(m)
}

// sources is how many images there are to be busy with.
const sources = 4

// rounds is how often a process that is left alone goes through its work.
const rounds = 6

// busy does everything that changes a store, in an order of its own.
func busy(dir, from, seed string) error {
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(n, 0))
	ctx := context.Background()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	for range rounds {
		i := random.IntN(sources)
		images, err := s.Load(ctx, filepath.Join(from, fmt.Sprintf("app%d.tar", i)))
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		tr, err := s.Tree(ctx, images[0], store.Single)
		if err == nil {
			// Whole, and as it was made, while others load and prune.
			if _, err := os.ReadFile(filepath.Join(tr.Path, "d/last")); err != nil {
				return fmt.Errorf("a tree in use: %w", err)
			}
			if err := tr.Close(); err != nil {
				return err
			}
		} else if !isGone(err) {
			return fmt.Errorf("tree: %w", err)
		}
		if random.IntN(2) == 0 {
			if err := s.Remove(ctx, fmt.Sprintf("app%d:1", i)); err != nil && !isGone(err) {
				return fmt.Errorf("remove: %w", err)
			}
		}
		if random.IntN(2) == 0 {
			if _, err := s.Prune(ctx); err != nil {
				return fmt.Errorf("prune: %w", err)
			}
		}
	}
	return nil
}

// isGone says that another process has removed the image in between.
func isGone(err error) bool {
	return errors.Is(err, store.ErrNotFound)
}

// writeSources writes the archives that busy loads.
func writeSources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	base := Gzip(t, Plain(t, File("base", strings.Repeat("base", 50_000))))
	for i := range sources {
		var entries []Entry
		for j := range 60 {
			entries = append(entries, File(fmt.Sprintf("d/%d-%d", i, j), strings.Repeat("x", 1000*i)))
		}
		img := New(t, base, Plain(t, append(entries, File("d/last", ""))...))
		files := tarOf(t, LayoutFiles(t, []v1.Descriptor{img.Named(fmt.Sprintf("app%d:1", i))}, img))
		write(t, filepath.Join(dir, fmt.Sprintf("app%d.tar", i)), files)
	}
	return dir
}

func startBusy(t *testing.T, dir, from string, seed int) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), busyVariable+"="+dir, busyVariable+"_SOURCE="+from, busyVariable+"_SEED="+strconv.Itoa(seed))
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &output
}

// TestKillAtAnyMoment kills a process that works on the store, again and
// again, and looks each time whether the store is sound and usable.
func TestKillAtAnyMoment(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 8
	}
	from := writeSources(t)
	dir := filepath.Join(t.TempDir(), "store")
	// How long the work takes is found out, not assumed, so that the kills
	// spread over all of it.
	begin := time.Now()
	cmd, output := startBusy(t, dir, from, 0)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	whole := time.Since(begin)
	for i := range kills {
		cmd, output := startBusy(t, dir, from, i)
		time.Sleep(rand.N(whole))
		// It may be done already; then there is nothing to kill.
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
			t.Fatalf("after %d kills the work failed: %v: %s", i, err, output)
		}
		s := reopen(t, dir, store.Options{})
		if err := s.Verify(t.Context()); err != nil {
			t.Fatalf("after %d kills: %v", i+1, err)
		}
	}
	s := reopen(t, dir, store.Options{})
	images, err := s.Load(t.Context(), filepath.Join(from, "app1.tar"))
	if err != nil {
		t.Fatal(err)
	}
	tr := tree(t, s, images[0], store.Single)
	if _, err := os.Stat(filepath.Join(tr.Path, "d/last")); err != nil {
		t.Error(err)
	}
	if _, err := s.Prune(t.Context()); err != nil {
		t.Error(err)
	}
	wantEmptyTemp(t, s)
}

// TestProcessesAtOnce has several processes do everything to one store.
func TestProcessesAtOnce(t *testing.T) {
	from := writeSources(t)
	dir := filepath.Join(t.TempDir(), "store")
	var wait sync.WaitGroup
	for i := range 4 {
		cmd, output := startBusy(t, dir, from, 100+i)
		wait.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v: %s", i, err, output)
			}
		})
	}
	wait.Wait()
	s := reopen(t, dir, store.Options{})
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	wantEmptyTemp(t, s)
}

// TestIndexLosesNothing has many add to the index at the same time.
func TestIndexLosesNothing(t *testing.T) {
	const writers, each = 8, 12
	dir := filepath.Join(t.TempDir(), "store")
	img := image(t, "one")
	load(t, reopen(t, dir, store.Options{}), img, "app:1")
	var wait sync.WaitGroup
	for i := range writers {
		s := reopen(t, dir, store.Options{})
		wait.Go(func() {
			for j := range each {
				desc, blobs := artifact(t, img.Descriptor, fmt.Sprintf("%d-%d", i, j))
				if err := s.AddReferrer(t.Context(), img.Descriptor.Digest, desc, blobs...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got, err := reopen(t, dir, store.Options{}).Referrers(img.Descriptor.Digest)
	if err != nil || len(got) != writers*each {
		t.Errorf("the image has %d artifacts (%v), want %d", len(got), err, writers*each)
	}
}
