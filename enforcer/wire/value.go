package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Value writes a whole value: the exported fields of a structure in their
// order, the elements of a list, the pairs of a map by their keys in order,
// what a pointer points to. Nil and empty are the same, but for pointers. It
// panics for kinds of values that have no place in plain data, such as
// functions and interfaces, and for fields that are not exported.
func (w *Writer) Value(v any) { w.value(reflect.ValueOf(v)) }

func (w *Writer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		w.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := v.Int()
		w.Uint(uint64(n)<<1 ^ uint64(n>>63))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.Uint(v.Uint())
	case reflect.String:
		w.Text(v.String())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.Bytes(v.Bytes())
			return
		}
		w.Uint(uint64(v.Len()))
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		w.Uint(uint64(len(keys)))
		for _, k := range keys {
			w.value(k)
			w.value(v.MapIndex(k))
		}
	case reflect.Pointer:
		w.Bool(!v.IsNil())
		if !v.IsNil() {
			w.value(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("wire: a value of kind %s", v.Kind()))
	}
}

// Value reads what [Writer.Value] wrote into the value that v points to, which
// is the zero value of its type before.
func (r *Reader) Value(v any) { r.value(reflect.ValueOf(v).Elem()) }

func (r *Reader) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		u := r.Uint()
		n := int64(u>>1) ^ -int64(u&1)
		if v.OverflowInt(n) {
			r.Fail()
			return
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n := r.Uint()
		if v.OverflowUint(n) {
			r.Fail()
			return
		}
		v.SetUint(n)
	case reflect.String:
		v.SetString(r.Text())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if b := r.Bytes(); len(b) > 0 {
				v.SetBytes(b)
			}
			return
		}
		if n := r.Count(); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				r.value(v.Index(i))
			}
		}
	case reflect.Map:
		n := r.Count()
		if n == 0 {
			return
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), n))
		for range n {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			r.value(key)
			r.value(elem)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		if r.Bool() {
			v.Set(reflect.New(v.Type().Elem()))
			r.value(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.value(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("wire: a value of kind %s", v.Kind()))
	}
}
