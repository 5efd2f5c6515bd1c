package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"cuelang.org/go/cue"
)

//go:embed trust.cue
var trustSource string

// TrustSource returns the CUE text that defines rules of trust.
func TrustSource() string { return trustSource }

// TrustRule says whose approvals count for some repositories.
type TrustRule struct {
	// Repositories are full names such as "docker.io/library/nginx", their
	// beginning before "/*", or "*" for all.
	Repositories []string `json:"repositories"`
	// Keys are names of public keys.
	Keys []string `json:"keys"`
	// Threshold is how many of the keys have to approve, at least 1.
	Threshold int `json:"threshold"`
}

// DecodeTrust reads rules of trust that a person wrote: #Trust in
// [TrustSource], as JSON, YAML or CUE, by the ending of name. The error is
// [Errors] for what is wrong in the file, or wraps [ErrFormat].
func DecodeTrust(name string, data []byte) ([]TrustRule, error) {
	ctx := newContext()
	written, err := read(ctx, name, data)
	if err != nil {
		return nil, err
	}
	whole, err := unify(ctx, "#Trust", name, written, cue.Concrete(true), cue.Final())
	if err != nil {
		return nil, err
	}
	encoded, err := whole.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding %s as JSON: %w", name, err)
	}
	var file struct {
		Version int         `json:"version"`
		Rules   []TrustRule `json:"rules"`
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", name, err)
	}
	return file.Rules, nil
}
