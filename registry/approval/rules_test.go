package approval

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// people are keys by name, in one or more folders of trust.
type people map[string]*PrivateKey

// folder writes a folder of trust with the keys of people, and a file of rules.
func (p people) folder(t *testing.T, rules string, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "trust.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if p[name] == nil {
			p[name] = generate(t, Ed25519)
		}
		if _, err := WritePublicKey(dir, name, p[name].Public()); err != nil {
			t.Fatal(err)
		}
	}
	if rules != "" {
		if err := os.WriteFile(filepath.Join(dir, "team.yaml"), []byte("version: 1\nrules:\n"+rules), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFor(t *testing.T) {
	who := people{}
	system := who.folder(t, `
- {repositories: ["registry.example/*"], keys: [ops]}
- {repositories: ["registry.example/team/*"], keys: [alice, bob, carol], threshold: 2}
- {repositories: ["registry.example/team/solo"], keys: [alice]}
`, "alice", "bob", "carol", "ops", "free")
	own := who.folder(t, `
- {repositories: ["registry.example/team/app"], keys: [me, bob], threshold: 2}
`, "me")
	trust, err := LoadTrust(system, own, filepath.Join(own, "not-there"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		repository string
		want       []string // "keys/threshold" of each requirement
	}{
		{"registry.example/other", []string{"ops/1"}},
		{"registry.example/team/lib", []string{"alice,bob,carol/2"}},
		{"registry.example/team/lib/deep", []string{"alice,bob,carol/2"}},
		{"registry.example/team/solo", []string{"alice/1"}},
		{"registry.example/team/solo/below", []string{"alice,bob,carol/2"}},
		{"registry.example/team/app", []string{"alice,bob,carol/2", "me,bob/2"}},
		{"registry.example/teamwork", []string{"ops/1"}},
		{"Registry.EXAMPLE/team/lib", []string{"alice,bob,carol/2"}},
		{"registry.example:443/team/lib", []string{"alice,bob,carol/2"}},
		{"registry.example:5000/team/lib", []string{"free/1"}},
		{"registry.example.evil/team/lib", []string{"free/1"}},
		{"docker.io/library/app", []string{"free/1"}},
		{"", []string{"free/1"}},
	} {
		var got []string
		for _, r := range trust.For(test.repository).Requirements() {
			var names []string
			for _, k := range r.Keys {
				names = append(names, k.Name)
			}
			got = append(got, strings.Join(names, ",")+"/"+string(rune('0'+r.Threshold)))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.repository, got, test.want)
		}
	}
}

func TestRulesForEverything(t *testing.T) {
	who := people{}
	trust, err := LoadTrust(who.folder(t, `- {repositories: ["*"], keys: [alice]}`, "alice", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	for _, repository := range []string{"", app, "registry.example/a/b"} {
		q := trust.For(repository)
		if !q.Has(who["alice"].Public().ID()) || q.Has(who["bob"].Public().ID()) {
			t.Errorf("%q: another than alice decides", repository)
		}
	}
}

// Whoever wrote a rule counts on it: what cannot be applied is an error.
func TestRulesThatCannotBe(t *testing.T) {
	for _, test := range []struct{ name, rules, message string }{
		{"a key that is not there", `- {repositories: ["*"], keys: [dave]}`, "there is no dave.pub"},
		{"more than there are", `- {repositories: ["*"], keys: [alice], threshold: 2}`, "2 of 1 keys can never approve"},
		{"one key twice", `- {repositories: ["*"], keys: [alice, alice], threshold: 2}`, "one key"},
		{"two rules for one", "- {repositories: [\"*\"], keys: [alice]}\n- {repositories: [\"*\"], keys: [bob]}", "has a rule already"},
		{"a name that is not full", `- {repositories: [nginx], keys: [alice]}`, `full form "docker.io/library/nginx"`},
		{"a beginning that is not full", `- {repositories: ["team/*"], keys: [alice]}`, `full form "docker.io/team/*"`},
		{"an alias of a registry", `- {repositories: ["index.docker.io/*"], keys: [alice]}`, `full form "docker.io/*"`},
		{"no rule at all", ``, ""},
		{"not what is expected", `- {repository: a, keys: [alice]}`, "repository"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := LoadTrust(people{}.folder(t, test.rules, "alice", "bob"))
			if (err == nil) != (test.message == "") || err != nil && !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
	dir := people{}.folder(t, `- {repositories: ["*"], keys: [alice]}`, "alice")
	if err := os.Chmod(filepath.Join(dir, "team.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	var everyone *PermissionsError
	if _, err := LoadTrust(dir); !errors.As(err, &everyone) {
		t.Errorf("rules that everyone can change: %v", err)
	}
}

func TestSeveralReviewers(t *testing.T) {
	who := people{}
	dir := who.folder(t, `- {repositories: ["docker.io/library/*"], keys: [alice, bob, carol], threshold: 2}`, "alice", "bob", "carol", "dave")
	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	type step struct {
		who    string
		at     int
		choice Choice
		revoke bool
	}
	deny := Choice{Denied: []string{"syscall:getpid"}}
	for _, test := range []struct {
		name  string
		steps []step
		want  error
		lacks bool // what was denied
	}{
		{"one of two", []step{{who: "alice"}}, ErrTooFew, false},
		{"one, twice", []step{{who: "alice"}, {who: "alice", at: 1}}, ErrTooFew, false},
		{"one, and one who has no say", []step{{who: "alice"}, {who: "dave", at: 1}}, ErrTooFew, false},
		{"one who has no say", []step{{who: "dave"}}, ErrNotApproved, false},
		{"two", []step{{who: "alice"}, {who: "carol", at: 1}}, nil, false},
		{"what one denied is denied", []step{{who: "alice", choice: deny}, {who: "bob", at: 1}}, nil, true},
		{"a newer approval takes the place of the older by the same", []step{{who: "alice", choice: deny}, {who: "bob", at: 1}, {who: "alice", at: 2}}, nil, false},
		{"the two newest of three", []step{{who: "alice", choice: deny}, {who: "bob", at: 1}, {who: "carol", at: 2}}, nil, false},
		{"one has ended", []step{{who: "alice"}, {who: "bob", at: 1, choice: Choice{Expires: hour(3)}}}, ErrExpired, false},
		{"one revokes for all", []step{{who: "alice"}, {who: "bob", at: 1}, {who: "carol", at: 2, revoke: true}}, ErrRevoked, false},
		{"who has no say cannot revoke", []step{{who: "alice"}, {who: "bob", at: 1}, {who: "dave", at: 2, revoke: true}}, nil, false},
		{"one again after a revocation is not two", []step{{who: "alice"}, {who: "bob", at: 1}, {who: "carol", at: 2, revoke: true}, {who: "alice", at: 3}}, ErrTooFew, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, plain)
			for _, s := range test.steps {
				a := p.approval(t, s.choice, hour(s.at))
				if s.revoke {
					a = NewRevocation(a, "", hour(s.at))
				}
				p.save(t, who[s.who], a)
			}
			g, err := Effective(t.Context(), p, p.image, p.found, trust.For(app), hour(10))
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			if lacks := !slices.Contains(permissionIDs(g.Manifest), "syscall:getpid"); lacks != test.lacks {
				t.Errorf("granted %q", permissionIDs(g.Manifest))
			}
			// The launch checks both.
			sealed, err := g.Seal(app, dir)
			if err != nil || len(sealed.Statements) != 2 {
				t.Fatalf("sealed %d statements, %v", len(sealed.Statements), err)
			}
			if err := sealed.Check(hour(10)); err != nil {
				t.Error(err)
			}
			sealed.Statements[1].Signature[0] ^= 1
			if err := sealed.Check(hour(10)); !errors.Is(err, seal.ErrStale) {
				t.Errorf("with a second signature that does not fit: %v", err)
			}
		})
	}
}

// A launch is prepared anew when the rules change, even in place.
func TestSealHoldsTheRules(t *testing.T) {
	who := people{}
	dir := who.folder(t, `- {repositories: ["*"], keys: [alice]}`, "alice", "bob")
	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, plain)
	p.save(t, who["alice"], p.approval(t, Choice{}, noon))
	g, err := Effective(t.Context(), p, p.image, p.found, trust.For(app), noon)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := g.Seal(app, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := sealed.Check(noon); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(dir, "team.yaml")
	if err := os.WriteFile(rules, []byte("version: 1\nrules:\n- {repositories: [\"*\"], keys: [bob]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := sealed.Check(noon); !errors.Is(err, seal.ErrStale) {
		t.Errorf("after the rules have changed: %v", err)
	}
	if _, err := g.Seal(app, dir); err == nil {
		t.Error("it can be sealed although the rules want another key")
	}
}

// What a registry hides is remembered, and what it plays back is seen.
func TestRollback(t *testing.T) {
	alice := generate(t, Ed25519)
	trust := NewTrust(alice.Public())
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	narrower := strings.Replace(plain, `{"name":"write"},`, ``, 1)
	for _, test := range []struct {
		name string
		// remembered is what was decided elsewhere, about the image of p.
		remembered func(t *testing.T, p, elsewhere *place) []*Approval
		want       error
		lacks      string
	}{
		{"nothing", func(*testing.T, *place, *place) []*Approval { return nil }, nil, ""},
		{"a revocation", func(t *testing.T, p, _ *place) []*Approval {
			return []*Approval{NewRevocation(p.approval(t, Choice{}, hour(0)), "", hour(1))}
		}, ErrRevoked, ""},
		{"an older revocation", func(t *testing.T, p, _ *place) []*Approval {
			return []*Approval{NewRevocation(p.approval(t, Choice{}, hour(-2)), "", hour(-1))}
		}, nil, ""},
		{"a newer approval of less", func(t *testing.T, p, _ *place) []*Approval {
			return []*Approval{p.approval(t, Choice{Denied: []string{"syscall:getpid"}}, hour(1))}
		}, nil, "syscall:getpid"},
		{"an approval of a newer manifest", func(t *testing.T, _, elsewhere *place) []*Approval {
			return []*Approval{elsewhere.approval(t, Choice{}, hour(1))}
		}, ErrSuperseded, ""},
		{"an approval of an older manifest", func(t *testing.T, _, elsewhere *place) []*Approval {
			return []*Approval{elsewhere.approval(t, Choice{}, hour(-1))}
		}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, elsewhere := newPlace(t, plain), newPlace(t, narrower)
			if p.image != elsewhere.image {
				t.Fatal("two images")
			}
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			l := Ledger{Dir: t.TempDir()}
			for _, a := range test.remembered(t, p, elsewhere) {
				record(t, l, alice, a, nil)
			}
			quorum := trust.For(app)
			known, err := l.Statements(app, p.image, quorum)
			if err != nil {
				t.Fatal(err)
			}
			g, err := Effective(t.Context(), p, p.image, p.found, quorum, hour(10), known...)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil && test.lacks != "" && slices.Contains(permissionIDs(g.Manifest), test.lacks) {
				t.Errorf("it may %s", test.lacks)
			}
		})
	}
}

// The second of two reviewers is not shown what the first approved as if it
// were approved.
func TestLastApprovedBySeveral(t *testing.T) {
	who := people{}
	trust, err := LoadTrust(who.folder(t, `- {repositories: ["*"], keys: [alice, bob], threshold: 2}`, "alice", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	l := Ledger{Dir: t.TempDir()}
	a, m := decision(t, "1", app, plain, noon)
	record(t, l, who["alice"], a, m)
	if past, err := l.LastApproved(app, trust); !errors.Is(err, ErrNoneApproved) {
		t.Fatalf("after one of two: %+v, %v", past, err)
	}
	a.Time = noon.Add(time.Hour)
	a.Denied, a.Granted = []string{"syscall:getpid"}, slices.DeleteFunc(slices.Clone(a.Granted), func(id string) bool { return id == "syscall:getpid" })
	record(t, l, who["bob"], a, m)
	past, err := l.LastApproved(app, trust)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(permissionIDs(past.Granted), "syscall:getpid") || !slices.Contains(permissionIDs(past.Asked), "syscall:getpid") {
		t.Errorf("granted %q of %q", permissionIDs(past.Granted), permissionIDs(past.Asked))
	}
}
