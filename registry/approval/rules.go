package approval

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/schema"
)

// Requirement says how many of which keys must have approved an image.
type Requirement struct {
	// File is where the rule is written, and Pattern which repositories it is
	// of; both are empty where no rule speaks of the repository.
	File, Pattern string
	Keys          []PublicKey
	Threshold     int
}

// rule is one pattern of a rule, with its keys.
type rule struct {
	Requirement
	// place is the rule's in its file, for messages.
	place string
}

// isRuleFile tells files of rules, so that hidden files and those that an
// editor leaves count for nothing.
func isRuleFile(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".cue", ".yaml", ".yml", ".json"}, filepath.Ext(name))
}

// readRules reads the rules of one folder. Two rules for the same repositories
// are an error: which of them counts would be a guess.
func readRules(files []trustFile, named map[string]PublicKey) ([]rule, error) {
	var rules []rule
	for _, f := range files {
		written, err := schema.DecodeTrust(f.path, f.text)
		if err != nil {
			return nil, err
		}
		for i, w := range written {
			place := fmt.Sprintf("%s: rules[%d]", f.path, i)
			keys, err := keysOf(w, named)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", place, err)
			}
			for _, pattern := range w.Repositories {
				if err := checkPattern(pattern); err != nil {
					return nil, fmt.Errorf("%s: repositories: %w", place, err)
				}
				if j := slices.IndexFunc(rules, func(r rule) bool { return r.Pattern == pattern }); j >= 0 {
					return nil, fmt.Errorf("%s: repositories: %q has a rule already, in %s", place, pattern, rules[j].place)
				}
				rules = append(rules, rule{
					Requirement: Requirement{File: f.path, Pattern: pattern, Keys: keys, Threshold: w.Threshold},
					place:       place,
				})
			}
		}
	}
	return rules, nil
}

// checkPattern refuses what no full name can match.
func checkPattern(pattern string) error {
	const below = "/*"
	if pattern == "*" {
		return nil
	}
	above, isPrefix := strings.CutSuffix(pattern, below)
	name, rest := above, ""
	if isPrefix {
		// Two components, so that no default is put before them.
		rest = "/x/x"
		name += rest
	}
	full, err := reference.Repository(name)
	if err != nil {
		return err
	}
	if full != name {
		want := strings.TrimSuffix(full, rest)
		if isPrefix {
			want += below
		}
		return fmt.Errorf("%q is not in its full form %q", pattern, want)
	}
	return nil
}

// keysOf returns a rule's keys, each once, whatever names they go by.
func keysOf(w schema.TrustRule, named map[string]PublicKey) ([]PublicKey, error) {
	var keys []PublicKey
	for _, name := range w.Keys {
		key, known := named[name]
		if !known {
			return nil, fmt.Errorf("keys: there is no %s%s beside it", name, publicSuffix)
		}
		if same, twice := keyByID(keys, key.ID()); twice {
			return nil, fmt.Errorf("keys: %s and %s are one key", same.Name, name)
		}
		keys = append(keys, key)
	}
	if w.Threshold > len(keys) {
		return nil, fmt.Errorf("threshold: %d of %d keys can never approve", w.Threshold, len(keys))
	}
	return keys, nil
}

// Rules returns all rules, each pattern by itself, in the order in which they
// were read.
func (t Trust) Rules() []Requirement {
	var all []Requirement
	for _, folder := range t.rules {
		for _, r := range folder {
			all = append(all, r.Requirement)
		}
	}
	return all
}

// Quorum is whose approvals count for one repository, and how many it takes.
// The zero value trusts nobody.
type Quorum struct {
	repository string
	// keys are those of all requirements, elsewhere those that are trusted for
	// other repositories.
	keys, elsewhere []PublicKey
	requirements    []Requirement
}

// For returns whose approvals count for a repository's images, by its full
// name; empty is an image without a name.
//
// In each folder the rule with the longest pattern decides. Where several
// folders have a rule for the repository, each must be met: a person's own can
// be stricter than the system's, never laxer. Without any rule, one approval
// of any key is enough that no rule names: a key that rules name counts for
// their repositories alone.
func (t Trust) For(repository string) Quorum {
	q := Quorum{repository: repository}
	for _, rules := range t.rules {
		var best *rule
		for i := range rules {
			r := &rules[i]
			if matchesRepository(r.Pattern, repository) && (best == nil || len(r.Pattern) > len(best.Pattern)) {
				best = r
			}
		}
		if best != nil {
			q.requirements = append(q.requirements, best.Requirement)
		}
	}
	if len(q.requirements) == 0 {
		q.requirements = []Requirement{{Keys: t.unnamed(), Threshold: 1}}
	}
	for _, k := range t.keys {
		inScope := slices.ContainsFunc(q.requirements, func(r Requirement) bool { return r.Has(k.ID()) })
		if inScope {
			q.keys = append(q.keys, k)
		} else {
			q.elsewhere = append(q.elsewhere, k)
		}
	}
	return q
}

// Requirements returns what it takes for an image to run: each of them.
func (q Quorum) Requirements() []Requirement { return slices.Clone(q.requirements) }

// Has reports whether decisions of the key with the id count.
func (q Quorum) Has(id string) bool {
	_, known := q.byID(id)
	return known
}

func (q Quorum) byID(id string) (PublicKey, bool) { return keyByID(q.keys, id) }

// unnamed returns the keys that no rule names.
func (t Trust) unnamed() []PublicKey {
	return slices.DeleteFunc(slices.Clone(t.keys), func(k PublicKey) bool {
		for _, rules := range t.rules {
			if slices.ContainsFunc(rules, func(r rule) bool { return r.Has(k.ID()) }) {
				return true
			}
		}
		return false
	})
}

// Has reports whether the key with the id is one of the requirement's.
func (r Requirement) Has(id string) bool {
	_, known := keyByID(r.Keys, id)
	return known
}

// matchesRepository reports whether a pattern is of the repository. What ends
// in "/*" is of all that lies below, at any depth; "*" is of everything, also
// of images without a name.
func matchesRepository(pattern, repository string) bool {
	if pattern == "*" {
		return true
	}
	pattern, repository = sameHost(pattern), sameHost(repository)
	if above, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(repository, above)
	}
	return pattern == repository
}

// sameHost writes the host of a name in one way, for a registry answers to it in
// several: letters of either case, and the port that is meant without one.
func sameHost(name string) string {
	host, path, _ := strings.Cut(name, "/")
	return strings.TrimSuffix(strings.ToLower(host), ":443") + "/" + path
}
