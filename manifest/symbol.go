package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ArgSpec names an argument whose values a recording keeps.
type ArgSpec struct {
	// Arg is the argument's position, from 0 to 5.
	Arg int
	// Mask selects the bits worth keeping.
	Mask uint64
}

// symbol is a value of an argument that has a name.
type symbol struct {
	name  string
	value uint64
	// level is that of a call with this value; meaning says why, and is
	// empty for normal ones.
	level   Level
	meaning string
}

// domain is the set of values an argument can have: one of enum in the bits of
// enumMask, and any of flags beside it.
type domain struct {
	call string
	arg  int
	// bits are those the kernel looks at. Arguments that are int to the
	// kernel have junk above bit 31: musl hands ioctl commands over with the
	// sign extended.
	bits uint64
	// record is the mask that recordings keep, 0 for none.
	record   uint64
	enumMask uint64
	enum     []symbol
	flags    []symbol
	// decides tells that the call's level follows from this argument.
	decides bool
	// unknown is the level of an enum value that has no name here.
	unknown Level
	// must is a flag without which the call has the level given with it.
	must symbol
}

const (
	allBits = ^uint64(0)
	intBits = uint64(0xffffffff)
)

// domainOf returns the domain of a call's argument, or nil. An architecture's
// values would differ only from what amd64 and arm64 have in common.
func domainOf(call string, arg int) *domain {
	if call == "socketpair" {
		call = "socket"
	}
	for i := range domains {
		if d := &domains[i]; d.call == call && d.arg == arg {
			return d
		}
	}
	return nil
}

// RecordedArgs returns the arguments of a call whose values a recording keeps
// because the call's level depends on them; nil for most calls.
func RecordedArgs(syscall string) []ArgSpec {
	var specs []ArgSpec
	for arg := range 6 {
		if d := domainOf(syscall, arg); d != nil && d.record != 0 {
			specs = append(specs, ArgSpec{Arg: arg, Mask: d.record})
		}
	}
	return specs
}

// argBits returns the bits of an argument that the kernel looks at.
func argBits(call string, arg int) uint64 {
	if d := domainOf(call, arg); d != nil {
		return d.bits
	}
	return allBits
}

// Symbol returns the value of text for an argument of a call: a number in Go's
// decimal or 0x form, a symbol that the argument has in the kernel's headers,
// or several of these joined by "|".
func Symbol(arch, syscall string, arg int, text string) (uint64, error) {
	if !slices.Contains(Architectures(), arch) {
		return 0, fmt.Errorf("no symbols are known for architecture %q", arch)
	}
	if text == "" {
		return 0, fmt.Errorf("an argument's value is empty")
	}
	d := domainOf(syscall, arg)
	var value uint64
	for part := range strings.SplitSeq(text, "|") {
		n, ok := d.lookup(part)
		if !ok {
			if n, ok = parseNumber(part); !ok {
				return 0, fmt.Errorf("%q is neither a number nor a symbol known for argument %d of %s", part, arg, syscall)
			}
		}
		value |= n
	}
	return value, nil
}

// parseNumber takes decimal and 0x numbers without sign, underscore or
// leading zero, so that every number has an obvious value.
func parseNumber(text string) (uint64, bool) {
	digits, base := text, 10
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		digits, base = hex, 16
	} else if len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 64)
	return n, err == nil && !strings.HasPrefix(digits, "+")
}

// lookup returns the value of a symbol.
func (d *domain) lookup(name string) (uint64, bool) {
	if d == nil {
		return 0, false
	}
	for _, symbols := range [][]symbol{d.enum, d.flags} {
		for i := range symbols {
			if symbols[i].name == name {
				return symbols[i].value, true
			}
		}
	}
	return 0, false
}

// SymbolName returns the text of a value that [Symbol] turns back into it:
// symbols where all of its bits have names, otherwise a hexadecimal number.
func SymbolName(arch, syscall string, arg int, value uint64) string {
	if d := domainOf(syscall, arg); d != nil && slices.Contains(Architectures(), arch) {
		if text, ok := d.name(value); ok {
			return text
		}
	}
	if value == 0 {
		return "0"
	}
	return "0x" + strconv.FormatUint(value, 16)
}

// name returns a value's symbols joined by "|", and whether there are such.
func (d *domain) name(value uint64) (string, bool) {
	var parts []string
	left := value
	enum := value & d.enumMask
	if at := slices.IndexFunc(d.enum, func(s symbol) bool { return s.value == enum }); at >= 0 && (enum != 0 || value == 0) {
		parts = append(parts, d.enum[at].name)
		left &^= d.enumMask
	}
	for i := range d.flags {
		if f := &d.flags[i]; left&f.value == f.value {
			parts = append(parts, f.name)
			left &^= f.value
		}
	}
	return strings.Join(parts, "|"), left == 0 && len(parts) > 0
}

// worst returns the symbol that decides the level of a call whose argument,
// under mask, equals value: the worst of all that it can be.
func (d *domain) worst(mask, value uint64) symbol {
	w := symbol{level: Normal}
	raise := func(s symbol) {
		if s.level > w.level {
			w = s
		}
	}
	exact, named := mask&d.enumMask == d.enumMask, false
	for _, s := range d.enum {
		if s.value&mask == value&mask&d.enumMask {
			raise(s)
			named = true
		}
	}
	if !exact || !named {
		raise(symbol{level: d.unknown})
	}
	for _, f := range d.flags {
		if exact && named && f.value&d.enumMask != 0 {
			continue // a named value whose bits are not flags
		}
		// A flag is possible unless the condition says that it is not set.
		if mask&f.value == 0 || value&f.value != 0 {
			raise(f)
		}
	}
	if d.must.value&mask&value != d.must.value {
		raise(d.must)
	}
	return w
}
