package static

import (
	"fmt"
	"math/bits"
)

// maxClosures bounds the memory of the sets below, in words.
const maxClosures = 32 << 20

// bitset is a set of small numbers.
type bitset []uint64

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) union(o bitset) {
	for i, w := range o {
		b[i] |= w
	}
}

// all returns the members from..to, less from.
func (b bitset) all(from, to int) []int {
	var list []int
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if n := i*64 + bits.TrailingZeros64(w); n >= from && n < to {
				list = append(list, n-from)
			}
		}
	}
	return list
}

// closures computes for the nodes of a graph what follows from each, with
// Tarjan's algorithm: nodes that lead to each other share one set.
type closures struct {
	width  int
	out    func(node int) []int32
	own    func(node int, into bitset)
	set    []int32 // by node: index of its set, or -1
	sets   []bitset
	number []int32 // order of the visit, or 0
	low    []int32
	stack  []int32
	on     []bool
	last   int32
	words  int
}

func newClosures(nodes, bits int, out func(int) []int32, own func(int, bitset)) *closures {
	c := &closures{width: (bits + 63) / 64, out: out, own: own, set: make([]int32, nodes), number: make([]int32, nodes), low: make([]int32, nodes), on: make([]bool, nodes)}
	for i := range c.set {
		c.set[i] = -1
	}
	return c
}

// of returns what follows from a node.
func (c *closures) of(node int) (bitset, error) {
	if c.set[node] < 0 {
		if err := c.visit(node); err != nil {
			return nil, err
		}
	}
	return c.sets[c.set[node]], nil
}

// frame is a node whose successors are being visited.
type frame struct {
	node int32
	next int
}

func (c *closures) visit(root int) error {
	frames := []frame{c.enter(int32(root))}
	for len(frames) > 0 {
		f := &frames[len(frames)-1]
		if out := c.out(int(f.node)); f.next < len(out) {
			to := out[f.next]
			f.next++
			switch {
			case c.number[to] == 0:
				frames = append(frames, c.enter(to))
			case c.on[to]:
				c.low[f.node] = min(c.low[f.node], c.number[to])
			}
			continue
		}
		done := f.node
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			parent := frames[len(frames)-1].node
			c.low[parent] = min(c.low[parent], c.low[done])
		}
		if c.low[done] == c.number[done] {
			if err := c.leave(done); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *closures) enter(node int32) frame {
	c.last++
	c.number[node], c.low[node], c.on[node] = c.last, c.last, true
	c.stack = append(c.stack, node)
	return frame{node: node}
}

// leave makes the set of the nodes that a root of the algorithm has gathered.
func (c *closures) leave(root int32) error {
	if c.words += c.width; c.words > maxClosures {
		return fmt.Errorf("what follows from %d functions: %w", len(c.set), errTooLarge)
	}
	set := make(bitset, c.width)
	index := int32(len(c.sets))
	c.sets = append(c.sets, set)
	first := len(c.stack) - 1
	for c.stack[first] != root {
		first--
	}
	members := c.stack[first:]
	c.stack = c.stack[:first]
	for _, m := range members {
		c.set[m], c.on[m] = index, false
	}
	for _, m := range members {
		c.own(int(m), set)
		for _, to := range c.out(int(m)) {
			if s := c.set[to]; s != index {
				set.union(c.sets[s])
			}
		}
	}
	return nil
}
