package userns_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/userns"
)

type advisedError struct{}

func (advisedError) Error() string { return "it went wrong" }
func (advisedError) Hint() string  { return "do it otherwise" }

func TestMain(m *testing.M) {
	userns.Main(map[string]userns.Work{
		"who": func(_ context.Context, in json.RawMessage) (any, error) {
			file := ""
			if err := json.Unmarshal(in, &file); err != nil {
				return nil, err
			}
			uids, err := os.ReadFile("/proc/self/uid_map")
			return who{UID: os.Getuid(), Map: string(uids), Chown: os.Chown(file, 33, 33) == nil}, err
		},
		"fail":  func(context.Context, json.RawMessage) (any, error) { return nil, advisedError{} },
		"crash": func(context.Context, json.RawMessage) (any, error) { os.Exit(3); return nil, nil },
		"hang":  func(context.Context, json.RawMessage) (any, error) { time.Sleep(time.Hour); return nil, nil },
	})
	os.Exit(m.Run())
}

type who struct {
	UID   int
	Map   string
	Chown bool
}

func single() plan.Identity {
	return plan.Identity{
		UIDs: []plan.IDMap{{Container: 0, Host: uint32(os.Getuid()), Size: 1}},
		GIDs: []plan.IDMap{{Container: 0, Host: uint32(os.Getgid()), Size: 1}},
	}
}

// ranged maps the caller's subordinate ids, which make test sees to.
func ranged(t *testing.T) plan.Identity {
	t.Helper()
	h, err := host.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uids, err := plan.RangeMap(h.UID, h.SubUIDs)
	if err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	gids, err := plan.RangeMap(h.GID, h.SubGIDs)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Identity{UIDs: uids, GIDs: gids, Setgroups: true}
}

// TestRun: the work is done as root of its namespace, which can give files to
// the ids that are mapped and to no other.
func TestRun(t *testing.T) {
	for _, test := range []struct {
		name  string
		id    plan.Identity
		chown bool
	}{{"one id", single(), false}, {"a range", ranged(t), true}} {
		t.Run(test.name, func(t *testing.T) {
			file := t.TempDir() + "/file"
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			var got who
			if err := userns.Run(t.Context(), test.id, "who", file, &got); err != nil {
				t.Fatal(err)
			}
			if got.UID != 0 || got.Chown != test.chown || strings.Count(got.Map, "\n") != len(test.id.UIDs) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestRunFails: an error keeps its text and its hint on the way back, and a
// process that ends without a word is an error too.
func TestRunFails(t *testing.T) {
	err := userns.Run(t.Context(), single(), "fail", nil, nil)
	var failed *userns.Error
	if !errors.As(err, &failed) || failed.Error() != "it went wrong" || failed.Hint() != "do it otherwise" {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"crash", "no such work"} {
		if err := userns.Run(t.Context(), single(), name, nil, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	id := single()
	id.UIDs[0].Host++
	if err := userns.Run(t.Context(), id, "who", "", nil); err == nil && os.Getuid() != 0 {
		t.Error("somebody else's id was mapped")
	}
}

// TestRunCancelled: work that is no longer wanted is ended.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := userns.Run(ctx, single(), "hang", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
}
