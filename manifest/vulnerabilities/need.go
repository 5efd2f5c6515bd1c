package vulnerabilities

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// alternative is one of the permissions that an element of needs names.
type alternative struct {
	// name is a call's, a capability's, or one of the words of [Confinement].
	name string
	when []manifest.Condition // of a call
	path string               // of a device
}

// alternatives splits an element of needs.
func alternatives(need string) []string { return strings.Split(need, " or ") }

// parse reads an alternative.
func parse(text string) (alternative, error) {
	name, inside, has := strings.Cut(text, "(")
	a := alternative{name: name}
	if !has {
		return a, nil
	}
	inside, closed := strings.CutSuffix(inside, ")")
	if !closed {
		return a, fmt.Errorf("%q has no closing bracket", text)
	}
	if name == "device" {
		a.path = inside
		return a, nil
	}
	for term := range strings.SplitSeq(inside, ";") {
		left, values, ok := strings.Cut(term, "=")
		position, mask, _ := strings.Cut(left, "&")
		arg, err := strconv.Atoi(position)
		if !ok || err != nil {
			return a, fmt.Errorf("%q has a condition that is not of the form ARG=VALUE or ARG&MASK=VALUE", text)
		}
		a.when = append(a.when, manifest.Condition{Arg: arg, Mask: mask, OneOf: strings.Split(values, ",")})
	}
	return a, nil
}
