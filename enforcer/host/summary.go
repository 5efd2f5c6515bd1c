package host

import (
	"fmt"
	"strings"
)

// Summary says in one line what the findings mean for lpm run, and whether it
// works at all.
func Summary(findings []Finding) (works bool, line string) {
	var required, optional []string
	for _, f := range findings {
		switch {
		case f.State == Present:
		case f.Required:
			required = append(required, f.Name+" "+map[State]string{Missing: "is missing", Inconclusive: "cannot be told"}[f.State])
		case f.State == Missing:
			optional = append(optional, fmt.Sprintf("%s (%s)", f.Use, f.Name))
		default:
			optional = append(optional, fmt.Sprintf("perhaps %s (%s)", f.Use, f.Name))
		}
	}
	switch {
	case len(required) > 0:
		return false, "lpm run does not work here: " + strings.Join(required, ", ")
	case len(optional) > 0:
		return true, "lpm run works here, but for: " + strings.Join(optional, "; ")
	}
	return true, "lpm run works here, with all that a manifest can ask for"
}
