package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
)

// JSON prints v as indented JSON. Characters that [Escape] would write as an
// escape are in the \u form of JSON, so that the output is safe on a terminal
// and means the same.
func (t *Terminal) JSON(v any) error {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	_, err := t.Out.Write(escapeJSON(buf.Bytes()))
	return err
}

// JSONLine returns v as JSON on one line, as safe on a terminal as what
// [Terminal.JSON] prints. Bytes that are not UTF-8 become U+FFFD.
func JSONLine(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding a line: %w", err)
	}
	return escapeJSON(buf.Bytes()), nil
}

// escapeJSON works on finished JSON: what is not plain there is inside a
// string, for the rest of the grammar is ASCII.
func escapeJSON(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r == '\n' || visible(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.Bytes()
}
