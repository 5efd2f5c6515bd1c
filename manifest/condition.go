package manifest

import (
	"fmt"
	"math/bits"
	"slices"
)

// Resolve returns the condition in numbers: it holds when the argument, with
// mask applied, is one of values. These are sorted, distinct and within mask.
//
// Without a mask of its own, a condition looks at the bits that the kernel
// looks at: the low 32 of an argument known to be an int, otherwise all.
func (c Condition) Resolve(arch, syscall string) (mask uint64, values []uint64, err error) {
	if c.Arg < 0 || c.Arg > 5 {
		return 0, nil, fmt.Errorf("argument %d does not exist; calls have arguments 0 to 5", c.Arg)
	}
	mask = argBits(syscall, c.Arg)
	if c.Mask != "" {
		if mask, err = Symbol(arch, syscall, c.Arg, c.Mask); err != nil {
			return 0, nil, err
		}
		if mask == 0 {
			return 0, nil, fmt.Errorf("the mask selects no bits")
		}
	}
	if len(c.OneOf) == 0 {
		return 0, nil, fmt.Errorf("the condition lists no values, so it could never hold")
	}
	if len(c.OneOf) > MaxValues {
		return 0, nil, fmt.Errorf("the condition lists more than %d values", MaxValues)
	}
	for _, text := range c.OneOf {
		v, err := Symbol(arch, syscall, c.Arg, text)
		if err != nil {
			return 0, nil, err
		}
		if v&^mask != 0 {
			return 0, nil, fmt.Errorf("%q has bits outside of the mask 0x%x, so it could never match", text, mask)
		}
		values = append(values, v)
	}
	slices.Sort(values)
	return mask, slices.Compact(values), nil
}

// test is a resolved condition; one with no mask always holds.
type test struct {
	mask   uint64
	values []uint64
}

// box is the set of argument lists that pass all six tests. An entry of
// [Syscalls] is a box; a call's entries together are a union of boxes.
type box [6]test

// resolve returns the entry's box.
func (s Syscall) resolve(arch string) (box, error) {
	var b box
	for i, c := range s.When {
		mask, values, err := c.Resolve(arch, s.Name)
		if err != nil {
			return box{}, &fieldError{fmt.Sprintf("when[%d]", i), err}
		}
		if b[c.Arg].mask != 0 {
			return box{}, &fieldError{fmt.Sprintf("when[%d].arg", i), fmt.Errorf("argument %d has two conditions; join them into one", c.Arg)}
		}
		b[c.Arg] = test{mask, values}
	}
	return b, nil
}

// holds reports whether every value that passes inner passes t. It is exact:
// bits that inner leaves open are tried both ways where t lists enough values
// for that to matter.
func (t test) holds(inner test) bool {
	if t.mask == 0 {
		return true
	}
	open := t.mask &^ inner.mask
	if n := bits.OnesCount64(open); n > 12 || 1<<n > len(t.values) {
		return false
	}
	values := inner.values
	if inner.mask == 0 {
		values = []uint64{0}
	}
	for _, v := range values {
		// Walk through all subsets of the open bits (Hacker's Delight 1-2:
		// subtracting the mask counts up within it).
		for extra := uint64(0); ; {
			if _, ok := slices.BinarySearch(t.values, v&t.mask|extra); !ok {
				return false
			}
			if extra = (extra - open) & open; extra == 0 {
				break
			}
		}
	}
	return true
}

// contains reports whether inner is a subset of b.
func (b box) contains(inner box) bool {
	for arg := range b {
		if !b[arg].holds(inner[arg]) {
			return false
		}
	}
	return true
}

// meet returns the intersection of two boxes and whether it has any member.
func (b box) meet(c box) (box, bool) {
	var m box
	for arg := range b {
		x, y := b[arg], c[arg]
		switch {
		case x.mask == 0:
			m[arg] = y
		case y.mask == 0:
			m[arg] = x
		default:
			both := x.mask & y.mask
			var values []uint64
			for _, v := range x.values {
				for _, w := range y.values {
					if (v^w)&both == 0 {
						values = append(values, v|w)
					}
				}
			}
			if len(values) == 0 {
				return box{}, false
			}
			slices.Sort(values)
			m[arg] = test{x.mask | y.mask, slices.Compact(values)}
		}
	}
	return m, true
}

// coverBudget bounds the steps of [coveredBy]; the question is NP-hard when
// masks overlap in malicious ways.
const coverBudget = 1 << 14

// coveredBy reports whether boxes together contain b. It errs only on the safe
// side: past its budget of steps the answer is false.
func (b box) coveredBy(boxes []box) bool {
	budget := coverBudget
	return b.covered(boxes, &budget)
}

func (b box) covered(boxes []box, budget *int) bool {
	var near []box
	for _, c := range boxes {
		if *budget--; *budget < 0 {
			return false
		}
		if c.contains(b) {
			return true
		}
		if _, ok := c.meet(b); ok {
			near = append(near, c)
		}
	}
	if len(near) == 0 {
		return false
	}
	// No single box does, so split b in two where the first box does not
	// hold, and ask again for each half.
	for arg := range b {
		if !near[0][arg].holds(b[arg]) {
			for _, half := range b.split(arg, near[0][arg].mask) {
				if !half.covered(near, budget) {
					return false
				}
			}
			return true
		}
	}
	return false
}

// split cuts a box in two at one argument: its listed values in halves, or,
// where there is one, by the lowest bit of mask that the value leaves open.
func (b box) split(arg int, mask uint64) [2]box {
	low, high := b, b
	t := b[arg]
	if n := len(t.values); n > 1 {
		low[arg].values, high[arg].values = t.values[:n/2], t.values[n/2:]
		return [2]box{low, high}
	}
	value := uint64(0)
	if t.mask != 0 {
		value = t.values[0]
	}
	open := mask &^ t.mask
	bit := open & -open
	low[arg] = test{t.mask | bit, []uint64{value}}
	high[arg] = test{t.mask | bit, []uint64{value | bit}}
	return [2]box{low, high}
}

// when returns the box's conditions in their canonical spelling.
func (b box) when(arch, syscall string) []Condition {
	var when []Condition
	for arg, t := range b {
		if t.mask == 0 {
			continue
		}
		c := Condition{Arg: arg}
		if t.mask != argBits(syscall, arg) {
			c.Mask = SymbolName(arch, syscall, arg, t.mask)
		}
		for _, v := range t.values {
			c.OneOf = append(c.OneOf, SymbolName(arch, syscall, arg, v))
		}
		when = append(when, c)
	}
	return when
}
