package manifest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCoversIsAnOrder(t *testing.T) {
	related := 0
	forRandom(t, func(t *testing.T, a, b, c *Manifest) {
		mustCover(t, "a manifest covers itself", a, a)
		ab := meetOf(t, a, b)
		if ab == nil {
			return
		}
		// Three that are related by how they are made.
		if abc := meetOf(t, ab, c); abc != nil {
			related++
			mustCover(t, "a∩b covers (a∩b)∩c", ab, abc)
			mustCover(t, "so a does", a, abc)
			mustCover(t, "and a∪c does", joinOf(t, a, c), abc)
		}
	})
	if related < 250 {
		t.Errorf("only %d triples were related", related)
	}
}

func TestIntersectionLaws(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b, c *Manifest) {
		mustEqual(t, "a∩a = a", meetOf(t, a, a), a)
		ab, ba := meetOf(t, a, b), meetOf(t, b, a)
		if (ab == nil) != (ba == nil) {
			t.Error("a∩b exists and b∩a does not")
		}
		if ab == nil {
			return
		}
		mustCover(t, "a covers a∩b", a, ab)
		mustCover(t, "b covers a∩b", b, ab)
		mustEqual(t, "a∩b = b∩a", ab, ba)
		left := meetOf(t, ab, c)
		if bc := meetOf(t, b, c); bc != nil && left != nil {
			mustEqual(t, "(a∩b)∩c = a∩(b∩c)", left, meetOf(t, a, bc))
		}
		// It is the greatest: what lies in both lies in it.
		if inBoth := meetOf(t, meetOrSelf(t, a, c), meetOrSelf(t, b, c)); inBoth != nil &&
			len(Covers(a, inBoth)) == 0 && len(Covers(b, inBoth)) == 0 {
			mustCover(t, "a∩b covers what a and b cover", ab, inBoth)
		}
	})
}

func meetOrSelf(t *testing.T, a, b *Manifest) *Manifest {
	if m := meetOf(t, a, b); m != nil {
		return m
	}
	return a
}

func TestUnionLaws(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b, c *Manifest) {
		mustEqual(t, "a∪a = a", joinOf(t, a, a), a)
		ab := joinOf(t, a, b)
		mustCover(t, "a∪b covers a", ab, a)
		mustCover(t, "a∪b covers b", ab, b)
		mustEqual(t, "a∪b = b∪a", ab, joinOf(t, b, a))
		mustEqual(t, "(a∪b)∪c = a∪(b∪c)", joinOf(t, ab, c), joinOf(t, a, joinOf(t, b, c)))
		mustEqual(t, "a∩(a∪b) = a", meetOf(t, a, ab), a)
		if both := meetOf(t, a, b); both != nil {
			mustEqual(t, "a∪(a∩b) = a", joinOf(t, a, both), a)
		}
	})
}

// What was required stays required, whatever optional permission includes it.
func TestRequiredStaysRequired(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b, _ *Manifest) {
		u := joinOf(t, a, b)
		var optional []string
		for _, p := range u.Permissions() {
			if p.Optional {
				optional = append(optional, p.ID)
			}
		}
		least := u
		for _, id := range optional {
			if next, err := least.Without(id); err == nil {
				least = next
			}
		}
		for _, m := range []*Manifest{a, b} {
			beyond := Covers(least, m)
			if i := slices.IndexFunc(beyond, func(p Permission) bool { return !p.Optional && required(m, p) }); i >= 0 {
				t.Errorf("%s was required, and can be denied in the union", beyond[i].ID)
			}
		}
	})
}

// required reports whether nothing optional stands above a permission: a port
// goes with the network, and a bound is none that could be denied.
func required(m *Manifest, p Permission) bool {
	return p.Group != "network" || !m.Network.Optional
}

// The answer of coveredBy is that of looking at every argument list.
func TestCoveredByIsExact(t *testing.T) {
	yes := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		inner := randomBox(r)
		outer := make([]box, r.IntN(6))
		for i := range outer {
			outer[i] = randomBox(r)
		}
		want := true
		for x := range uint64(16) {
			for y := range uint64(16) {
				in := slices.ContainsFunc(outer, func(b box) bool { return b.has(x, y) })
				if inner.has(x, y) && !in {
					want = false
				}
			}
		}
		if got := inner.coveredBy(outer); got != want {
			t.Fatalf("seed %d: coveredBy(%v, %v) = %t", seed, inner, outer, got)
		}
		if want {
			yes++
		}
	}
	if yes < 1000 {
		t.Errorf("only %d were covered", yes)
	}
}

// randomBox returns conditions on the low four bits of two arguments.
func randomBox(r *rand.Rand) box {
	var b box
	for arg := range 2 {
		mask := r.Uint64N(16)
		if mask == 0 || r.IntN(4) == 0 {
			continue
		}
		b[arg].mask = mask
		for range 1 + r.IntN(8) {
			b[arg].values = append(b[arg].values, r.Uint64N(16)&mask)
		}
		slices.Sort(b[arg].values)
		b[arg].values = slices.Compact(b[arg].values)
	}
	return b
}

func (b box) has(args ...uint64) bool {
	for i, a := range args {
		if b[i].mask != 0 && !slices.Contains(b[i].values, a&b[i].mask) {
			return false
		}
	}
	return true
}

func TestMeetIsExact(t *testing.T) {
	for seed := range uint64(5_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		a, b := randomBox(r), randomBox(r)
		both, some := a.meet(b)
		for x := range uint64(16) {
			for y := range uint64(16) {
				if got, want := some && both.has(x, y), a.has(x, y) && b.has(x, y); got != want {
					t.Fatalf("seed %d: %v meets %v in %v, wrong at %d, %d", seed, a, b, both, x, y)
				}
			}
		}
	}
}

// Hostile conditions cost no more than the budget.
func TestCoveredByIsBounded(t *testing.T) {
	var outer []box
	for i := range MaxEntries {
		var b box
		b[i%6] = test{mask: 1 << (i % 64), values: []uint64{0}}
		outer = append(outer, b)
	}
	if (box{}).coveredBy(outer) {
		t.Error("boxes that all leave out the argument list of ones cover everything")
	}
}

// A wider permission never has a lower level, so that no one makes a request
// look better by asking for more.
func TestLevelsRiseWithWidth(t *testing.T) {
	compared := 0
	for seed := range uint64(30_000) {
		r := rand.New(rand.NewPCG(seed, 4))
		d := domains[r.IntN(len(domains))]
		a, b := randomCondition(r, d), randomCondition(r, d)
		x, errX := a.resolve("amd64")
		y, errY := b.resolve("amd64")
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		if !x.contains(y) {
			continue
		}
		compared++
		wide, _ := a.level("amd64")
		narrow, _ := b.level("amd64")
		if wide < narrow {
			t.Fatalf("%s is %s, and %s, a part of it, is %s", a.id("amd64"), wide, b.id("amd64"), narrow)
		}
	}
	if compared < 500 {
		t.Errorf("only %d were compared", compared)
	}
}

func randomCondition(r *rand.Rand, d domain) Syscall {
	s := Syscall{Name: d.call}
	if r.IntN(8) == 0 {
		return s
	}
	mask := d.bits
	switch r.IntN(4) {
	case 0:
		mask = 1 << r.IntN(32)
	case 1:
		mask = max(r.Uint64()&intBits, 1)
	}
	c := Condition{Arg: d.arg, Mask: SymbolName("amd64", d.call, d.arg, mask)}
	for range 1 + r.IntN(2) {
		var v uint64
		if len(d.enum) > 0 {
			v = d.enum[r.IntN(len(d.enum))].value
		}
		if len(d.flags) > 0 && r.IntN(2) == 0 {
			v |= d.flags[r.IntN(len(d.flags))].value
		}
		if r.IntN(10) == 0 {
			v = r.Uint64()
		}
		c.OneOf = append(c.OneOf, SymbolName("amd64", d.call, d.arg, v&mask))
	}
	s.When = []Condition{c}
	return s
}
