package manifest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkShape holds a JSON document against the types of [Manifest], with
// none of the leniency of encoding/json: that takes unknown, repeated and
// differently capitalised names, null for anything, bad UTF-8, and more
// documents after the first. It goes no deeper than the types do.
func checkShape(data []byte) error {
	s := shape{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	s.dec.UseNumber()
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return s.errorAt(int64(at), "", "expected UTF-8 text")
		}
		at += size
	}
	if err := s.value(reflect.TypeFor[Manifest](), ""); err != nil {
		return err
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return s.errorAt(s.dec.InputOffset(), "", "expected nothing after the manifest")
	}
	return nil
}

type shape struct {
	data []byte
	dec  *json.Decoder
}

func (s *shape) errorAt(offset int64, path, message string) error {
	line, col := position(s.data, offset)
	return &SyntaxError{Line: line, Col: col, Path: path, Message: message}
}

// next returns the next token and the offset where it starts.
func (s *shape) next(path string) (json.Token, int64, error) {
	start := s.dec.InputOffset()
	for start < int64(len(s.data)) && strings.IndexByte(" \t\r\n,:", s.data[start]) >= 0 {
		start++
	}
	token, err := s.dec.Token()
	if err != nil {
		message := "the document ends early"
		if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
			message = "not JSON: " + bad.Error()
		}
		return nil, 0, s.errorAt(s.dec.InputOffset(), path, message)
	}
	return token, start, nil
}

// value checks the next value against a Go type.
func (s *shape) value(want reflect.Type, path string) error {
	token, at, err := s.next(path)
	if err != nil {
		return err
	}
	kind := want.Kind()
	if reflect.PointerTo(want).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		kind = reflect.String
	}
	ok := false
	switch kind {
	case reflect.Struct:
		if ok = token == json.Delim('{'); ok {
			return s.object(want, path)
		}
	case reflect.Slice:
		if ok = token == json.Delim('['); ok {
			return s.array(want, path)
		}
	case reflect.String:
		var text string
		if text, ok = token.(string); ok {
			return s.text(want, text, path, at)
		}
	case reflect.Bool:
		_, ok = token.(bool)
	default:
		var number json.Number
		if number, ok = token.(json.Number); ok {
			_, err := strconv.ParseInt(number.String(), 10, want.Bits())
			if kind == reflect.Uint16 {
				_, err = strconv.ParseUint(number.String(), 10, want.Bits())
			}
			ok = err == nil
		}
	}
	if !ok {
		return s.errorAt(at, path, "expected "+kindName(kind))
	}
	return nil
}

func (s *shape) text(want reflect.Type, text, path string, at int64) error {
	if len(text) > MaxString {
		return s.errorAt(at, path, fmt.Sprintf("longer than %d bytes", MaxString))
	}
	if u, ok := reflect.New(want).Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return s.errorAt(at, path, err.Error())
		}
	}
	return nil
}

func (s *shape) object(want reflect.Type, path string) error {
	fields, seen := map[string]reflect.Type{}, map[string]bool{}
	for _, f := range reflect.VisibleFields(want) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[name] = f.Type
		}
	}
	for s.dec.More() {
		token, at, err := s.next(path)
		if err != nil {
			return err
		}
		name, _ := token.(string)
		field, known := fields[name]
		switch {
		case !known:
			return s.errorAt(at, path, fmt.Sprintf("unknown field %q", name))
		case seen[name]:
			return s.errorAt(at, path, fmt.Sprintf("field %q appears twice", name))
		}
		seen[name] = true
		if err := s.value(field, join(path, name)); err != nil {
			return err
		}
	}
	_, _, err := s.next(path)
	return err
}

func (s *shape) array(want reflect.Type, path string) error {
	for i := 0; s.dec.More(); i++ {
		if i == MaxEntries {
			return s.errorAt(s.dec.InputOffset(), path, fmt.Sprintf("more than %d entries", MaxEntries))
		}
		if err := s.value(want.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, _, err := s.next(path)
	return err
}

// join appends a field's name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint16:
		return "a whole number from 0 to 65535"
	}
	return "a whole number"
}
