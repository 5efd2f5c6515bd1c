package wire

import (
	"errors"
	"reflect"
	"testing"
)

type inner struct {
	Name string
	List []int8
}

type sample struct {
	Flag    bool
	Number  int64
	Port    uint16
	Text    string
	Bytes   []byte
	Inner   inner
	Several []inner
	Names   map[string]string
	Pointer *inner
	Nothing *inner
}

func full() sample {
	return sample{
		Flag: true, Number: -5, Port: 65535, Text: "a\x00b", Bytes: []byte{0, 255},
		Inner: inner{"x", []int8{-128, 127}}, Several: []inner{{}, {Name: "y"}},
		Names: map[string]string{"b": "2", "a": "1"}, Pointer: &inner{Name: "z"},
	}
}

func TestValue(t *testing.T) {
	for _, want := range []sample{{}, full()} {
		var w Writer
		w.Value(want)
		var got sample
		r := NewReader(w.Result())
		r.Value(&got)
		if err := r.End(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestValueOfOneForm: maps are written in the order of their keys.
func TestValueOfOneForm(t *testing.T) {
	first := ""
	for range 20 {
		var w Writer
		w.Value(full())
		if first == "" {
			first = string(w.Result())
		}
		if string(w.Result()) != first {
			t.Fatal("one value has two forms")
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		read func(r *Reader)
	}{
		{"nothing", nil, func(r *Reader) { r.Uint() }},
		{"a number that does not end", []byte{0x80}, func(r *Reader) { r.Uint() }},
		{"a text longer than what is left", []byte{5, 'a'}, func(r *Reader) { r.Text() }},
		{"a list longer than what is left", []byte{5, 1}, func(r *Reader) { r.Texts() }},
		{"neither true nor false", []byte{2}, func(r *Reader) { r.Bool() }},
		{"a number out of range", []byte{0x80, 0x80, 4}, func(r *Reader) { r.Value(new(uint16)) }},
		{"something left", []byte{1, 1}, func(r *Reader) { r.Uint() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(test.b)
			test.read(r)
			if err := r.End(); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
			// Whatever comes after a fault is zero.
			if r.Uint() != 0 || r.Text() != "" || r.Texts() != nil || r.Bool() {
				t.Error("a value after a fault")
			}
		})
	}
}

func FuzzValue(f *testing.F) {
	var w Writer
	w.Value(full())
	f.Add(w.Result())
	f.Fuzz(func(t *testing.T, b []byte) {
		var v sample
		r := NewReader(b)
		r.Value(&v)
		if r.End() != nil {
			return
		}
		var w Writer
		w.Value(v)
		var again sample
		NewReader(w.Result()).Value(&again)
		if !reflect.DeepEqual(v, again) {
			t.Errorf("got %+v, then %+v", v, again)
		}
	})
}
