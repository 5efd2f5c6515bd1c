package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Bounds of a manifest's JSON form. A manifest can come from a registry, so
// nothing in it is trusted to be of a sensible size.
const (
	// MaxSize bounds the document, in bytes.
	MaxSize = 1 << 20
	// MaxEntries bounds the length of every list.
	MaxEntries = 4096
	// MaxValues bounds the values of one condition.
	MaxValues = 256
	// MaxString bounds every string, in bytes.
	MaxString = 4096
	// MaxReason bounds a reason, in bytes.
	MaxReason = 500
)

// Parse decodes a manifest from JSON and validates it. It is strict: unknown,
// repeated and differently capitalised fields, null, numbers that are not
// whole, bytes that are not UTF-8 and anything after the document are errors.
// Fields that have a default may be missing, and are filled in.
//
// The error is [ErrTooLarge], a [*SyntaxError] or an [*InvalidError].
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	if err := checkShape(data); err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		// The shape has been checked, so this is a text form's own rule.
		return nil, fmt.Errorf("decoding manifest: %w", err)
	}
	m.fill()
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// fill writes out the defaults of what is missing.
func (m *Manifest) fill() {
	if m.Identity.Mode == "" {
		m.Identity.Mode = IdentitySingle
	}
	if m.Network.Mode == "" {
		m.Network.Mode = NetworkNone
	}
}

// position returns the line and column of an offset.
func position(data []byte, offset int64) (line, col int) {
	before := data[:min(offset, int64(len(data)))]
	line = 1 + bytes.Count(before, []byte("\n"))
	col = len(before) - bytes.LastIndexByte(before, '\n')
	return line, col
}
