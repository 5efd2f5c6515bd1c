package schema_test

import (
	"errors"
	"testing"

	"github.com/least-privilege/lpm/schema"
)

// Whatever is decoded can be written in canonical form, is valid, and reads
// back the same; whatever is not says in which file.
func FuzzDecode(f *testing.F) {
	f.Add(0, redisCUE)
	f.Add(1, redisYAML)
	f.Add(2, `{"version":1,"syscalls":{"architecture":"arm64","kernel":"6.1"}}`)
	f.Add(1, "a: &a [*a]")
	f.Fuzz(func(t *testing.T, format int, text string) {
		// CUE is a programming language: a few bytes can ask for more
		// work than there is time. Persons name such files; not fuzzers.
		name := []string{"manifest.yaml", "manifest.json"}[uint(format)%2]
		m, err := schema.Decode(name, []byte(text))
		if err != nil {
			if _, ok := errors.AsType[schema.Errors](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		canonical, err := m.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(canonical); err != nil {
			t.Fatalf("canonical form of %q is refused: %v", text, err)
		}
	})
}
