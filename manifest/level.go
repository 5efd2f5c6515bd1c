package manifest

import "fmt"

// Level is how much a permission can hurt, in three steps as on a phone. The
// levels are ordered: a wider permission never has a lower level.
type Level int

const (
	// Normal permissions are approved with the rest and shown folded.
	Normal Level = iota
	// Dangerous permissions are shown and must be read.
	Dangerous
	// Special permissions are never part of an approval of everything: each
	// must be named.
	Special
)

var levelNames = [...]string{"normal", "dangerous", "special"}

// String returns "normal", "dangerous" or "special".
func (l Level) String() string {
	if l < Normal || l > Special {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return levelNames[l]
}

// MarshalText implements [encoding.TextMarshaler].
func (l Level) MarshalText() ([]byte, error) {
	if l < Normal || l > Special {
		return nil, fmt.Errorf("no protection level has the number %d", int(l))
	}
	return []byte(levelNames[l]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Level) UnmarshalText(text []byte) error {
	for i, name := range levelNames {
		if name == string(text) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("protection level %q is not normal, dangerous or special", text)
}
