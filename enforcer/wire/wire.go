// Package wire writes and reads the flat binary form of what is kept between
// launches.
//
// A number is a base-128 varint (encoding/binary), bytes and texts have their
// length before them, a list its count. There is no other structure: writer
// and reader agree on the order. The form is private to one release of lpm,
// and is read within microseconds of its start, which is why it is no JSON.
package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is returned for bytes that a [Writer] did not write.
var ErrMalformed = errors.New("malformed")

// Writer appends values to a buffer. The zero value is empty.
type Writer struct{ b []byte }

// Result returns what was written.
func (w *Writer) Result() []byte { return w.b }

// Uint writes a number.
func (w *Writer) Uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

// Bool writes 1 or 0.
func (w *Writer) Bool(v bool) {
	n := uint64(0)
	if v {
		n = 1
	}
	w.Uint(n)
}

// Bytes writes bytes.
func (w *Writer) Bytes(v []byte) {
	w.Uint(uint64(len(v)))
	w.b = append(w.b, v...)
}

// Text writes a text.
func (w *Writer) Text(v string) {
	w.Uint(uint64(len(v)))
	w.b = append(w.b, v...)
}

// Texts writes a list of texts.
func (w *Writer) Texts(list []string) {
	w.Uint(uint64(len(list)))
	for _, v := range list {
		w.Text(v)
	}
}

// Reader reads the values back in their order. After the first fault all that
// it returns is zero, and Err reports the fault.
type Reader struct {
	b      []byte
	failed bool
}

// NewReader returns a reader of b, which must not change while values are in
// use that came from it.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns [ErrMalformed] if anything did not fit.
func (r *Reader) Err() error {
	if r.failed {
		return ErrMalformed
	}
	return nil
}

// End is Err, and a fault too if something is left.
func (r *Reader) End() error {
	if len(r.b) > 0 {
		r.Fail()
	}
	return r.Err()
}

// Fail notes that a value does not fit the others.
func (r *Reader) Fail() { r.failed, r.b = true, nil }

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Below reads a number that has to be less than bound.
func (r *Reader) Below(bound uint64) uint64 {
	v := r.Uint()
	if v >= bound {
		r.Fail()
		return 0
	}
	return v
}

// Bool reads 1 or 0.
func (r *Reader) Bool() bool { return r.Below(2) == 1 }

// Count reads the length of a list, each of whose elements takes at least one
// byte.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.b)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Bytes reads bytes. They are part of what the reader was given.
func (r *Reader) Bytes() []byte {
	n := r.Count()
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// Text reads a text.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Texts reads a list of texts, nil where it is empty.
func (r *Reader) Texts() []string {
	n := r.Count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.Text())
	}
	return list
}
