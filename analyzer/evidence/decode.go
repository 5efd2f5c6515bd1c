package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Bounds of a record. [Decode] refuses what exceeds them, and a recorder
// stays below them.
const (
	MaxSize     = 16 << 20 // bytes of the encoding
	MaxDepth    = 8        // objects and lists within each other
	MaxList     = 8192     // elements of a list or members of an object
	MaxText     = 4096     // bytes of a string
	MaxPrograms = 16       // programs named for one fact
)

// ErrFormat is the class of all errors that [Decode] returns for bytes that
// are not a record.
var ErrFormat = errors.New("not a valid evidence record")

// Decode reads a record. Unknown or repeated members, other versions, data
// after the record and everything beyond the bounds are errors that wrap
// [ErrFormat].
func Decode(data []byte) (*Record, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrFormat, len(data), MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrFormat)
	}
	if err := checkShape(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var r Record
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return &r, nil
}

// Encode writes a record as indented JSON with a final newline. It refuses
// what [Decode] would refuse.
func (r *Record) Encode() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding the record: %w", err)
	}
	if b.Len() > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrFormat, b.Len(), MaxSize)
	}
	if err := checkShape(b.Bytes()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b.Bytes(), nil
}

// checkShape walks the tokens for what [json.Decoder] lets pass: repeated
// keys, keys in another case, depth and lengths.
func checkShape(data []byte) error {
	s := shape{
		tokens: json.NewDecoder(bytes.NewReader(data)),
		names:  memberNames(reflect.TypeFor[Record]()),
	}
	s.tokens.UseNumber()
	if err := s.value(0); err != nil {
		return err
	}
	if _, err := s.tokens.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("data after the record at byte %d", s.tokens.InputOffset())
	}
	return nil
}

type shape struct {
	tokens *json.Decoder
	names  map[string]bool
}

func (s *shape) value(depth int) error {
	t, err := s.tokens.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case string:
		if len(t) > MaxText {
			return fmt.Errorf("string of %d bytes, more than %d", len(t), MaxText)
		}
	case json.Delim:
		if depth == MaxDepth {
			return fmt.Errorf("deeper than %d", MaxDepth)
		}
		return s.elements(depth, t == '{')
	}
	return nil
}

func (s *shape) elements(depth int, object bool) error {
	seen := map[string]bool{}
	for n := 0; s.tokens.More(); n++ {
		if n == MaxList {
			return fmt.Errorf("list of more than %d elements", MaxList)
		}
		if object {
			t, err := s.tokens.Token()
			if err != nil {
				return err
			}
			key := t.(string) // the decoder lets nothing else be a key
			if seen[key] {
				return fmt.Errorf("repeated member %q", key)
			}
			seen[key] = true
			if !s.names[key] {
				return fmt.Errorf("unknown member %q", key)
			}
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	_, err := s.tokens.Token()
	return err
}

// memberNames collects the names of all members below t. The keys of the one
// map, Record.Truncated, are members' names themselves.
func memberNames(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Slice, reflect.Pointer:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				f := t.Field(i)
				if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
					names[name] = true
				}
				walk(f.Type)
			}
		}
	}
	walk(t)
	return names
}
