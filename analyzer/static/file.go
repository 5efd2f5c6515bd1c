package static

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"sort"
)

// file is what the code of one ELF file can do by itself, and what it asks
// other files for. It does not depend on them, so it can be kept; see cache.
type file struct {
	Architecture string     `json:"architecture"`
	Dynamic      bool       `json:"dynamic"` // it takes a loader, or is one
	Interpreter  string     `json:"interpreter,omitempty"`
	Soname       string     `json:"soname,omitempty"`
	Needed       []string   `json:"needed,omitempty"`
	Paths        []string   `json:"paths,omitempty"`
	Libc         string     `json:"libc,omitempty"`
	Imports      []imported `json:"imports,omitempty"`
	Sites        []Site     `json:"sites,omitempty"`
	// Sets are what follows from being entered at one of several places.
	Sets  []set `json:"sets"`
	Entry int   `json:"entry"` // where a program starts; index of a set
	Start int   `json:"start"` // what is called when the file is loaded
	// Exports are the sets of what other files can ask for, by name.
	Exports map[string]int `json:"exports,omitempty"`
	// Near are the calls that exported functions make themselves, or by what
	// they are written with, at most two functions away: of poll(3) this is
	// poll, and not what ends a thread that is cancelled in it.
	Near map[string][]int `json:"near,omitempty"`
}

// set is what can follow: system calls by number, imports and sites by index.
type set struct {
	Calls   []int `json:"calls,omitempty"`
	Imports []int `json:"imports,omitempty"`
	Sites   []int `json:"sites,omitempty"`
}

// Site is a place in a file's code that makes a system call whose number
// cannot be told.
type Site struct {
	// Address is as in the file, before it is loaded.
	Address uint64 `json:"address"`
	// Symbol is the function's name, or empty.
	Symbol string `json:"symbol,omitempty"`
}

// maxNumber is the end of the numbers of system calls. No architecture's go
// that far; with the next bit set they are x32's.
const maxNumber = 1024

// readFile looks at one file's code.
func readFile(r io.ReaderAt) (*file, error) {
	m, err := loadImage(r)
	if err != nil {
		return nil, err
	}
	c, err := readCode(m)
	if err != nil {
		return nil, err
	}
	d := &m.dynamic
	f := &file{
		Architecture: m.arch, Dynamic: d.present, Interpreter: m.interpreter, Soname: d.soname, Needed: d.needed, Paths: d.paths,
		Libc: m.libc(), Exports: map[string]int{}, Near: map[string][]int{},
	}
	s := &summary{file: f, graph: build(c), known: map[string]int{}, itself: map[string][]uint64{}}
	if err := s.write(); err != nil {
		return nil, err
	}
	return f, nil
}

// summary writes a graph's consequences into a file.
type summary struct {
	*file
	graph    *graph
	closures *closures
	sites    map[uint64]int
	known    map[string]int      // sets by their content
	itself   map[string][]uint64 // by export: what the function has instructions for
}

func (s *summary) write() error {
	g := s.graph
	s.lookUpNames()
	s.findSites()
	s.Imports = g.dynamic.imports
	width := maxNumber + len(s.Imports) + len(s.Sites)
	s.closures = newClosures(len(g.out), width, func(n int) []int32 { return g.out[n] }, s.own)
	var err error
	if s.Start, err = s.from(g.dynamic.starts); err != nil {
		return err
	}
	if s.Entry, err = s.entry(); err != nil {
		return err
	}
	for _, symbol := range g.symbols {
		if !symbol.exported || symbol.name == "" {
			continue
		}
		if err := s.export(symbol); err != nil {
			return err
		}
	}
	s.leaveOutCommon()
	return nil
}

// leaveOutCommon takes from what is near exported functions the calls that so
// many of them come to that they say nothing of what one is for, such as those
// of locks and of what is printed on the way to abort.
func (s *summary) leaveOutCommon() {
	often := map[int]int{}
	for _, near := range s.Near {
		for _, n := range near {
			often[n]++
		}
	}
	const share, few = 16, 8
	limit := max(few, len(s.Near)/share)
	for name, near := range s.Near {
		near = slices.DeleteFunc(near, func(n int) bool {
			return often[n] > limit && !slices.Contains(s.itself[name], uint64(n))
		})
		if s.Near[name] = near; len(near) == 0 {
			delete(s.Near, name)
		}
	}
}

// entry is the set of what follows when the file is run. In a Go program it
// is everything: the linker has left out what nothing calls, and methods are
// found by their types at run time.
func (s *summary) entry() (int, error) {
	at := []uint64{s.graph.entry}
	if s.graph.golang.table != nil {
		for _, f := range s.graph.functions {
			at = append(at, f.from)
		}
	}
	return s.from(at)
}

func (s *summary) width() int { return s.closures.width }

// from unites what follows from several places.
func (s *summary) from(addrs []uint64) (int, error) {
	all := make(bitset, s.width())
	for _, a := range addrs {
		t := s.graph.lookup(a)
		if t.function < 0 {
			continue
		}
		b, err := s.closures.of(t.function)
		if err != nil {
			return 0, err
		}
		all.union(b)
	}
	return s.keep(all), nil
}

// export adds what follows from another file's use of a symbol. Of several
// versions of one name, it is what follows from any.
func (s *summary) export(symbol symbol) error {
	all := make(bitset, s.width())
	nodes := s.graph.nodes(symbol)
	for _, n := range nodes {
		b, err := s.closures.of(n)
		if err != nil {
			return err
		}
		all.union(b)
		if n < len(s.graph.functions) && symbol.name != callByNumber {
			s.asked(n, all)
		}
	}
	if near := s.near(nodes); len(near) > 0 {
		s.Near[symbol.name] = union(s.Near[symbol.name], near)
	}
	for _, n := range nodes {
		if f := s.graph.found[n]; f != nil && n < len(s.graph.functions) {
			s.itself[symbol.name] = append(s.itself[symbol.name], f.numbers...)
		}
	}
	if old, ok := s.Exports[symbol.name]; ok {
		s.unite(old, all)
	}
	s.Exports[symbol.name] = s.keep(all)
	return nil
}

// near returns the numbers of the calls that functions make themselves or by
// those that they call, and those in turn.
func (s *summary) near(nodes []int) []int {
	const steps = 2
	var numbers []int
	seen := map[int]bool{}
	for step := 0; step <= steps; step++ {
		var next []int
		for _, n := range nodes {
			if seen[n] || n >= len(s.graph.functions) {
				continue
			}
			seen[n] = true
			if f := s.graph.found[n]; f != nil {
				for _, number := range f.numbers {
					if number < maxNumber {
						numbers = append(numbers, int(number))
					}
				}
			}
			for _, to := range s.graph.out[n] {
				// What gives up does more, and it is not what was asked for.
				if int(to) < len(s.graph.functions) && s.graph.functions[to].returns {
					next = append(next, int(to))
				}
			}
		}
		nodes = next
	}
	return union(nil, numbers)
}

// union sorts what is in any of two lists.
func union(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// asked adds the sites of a function that takes numbers from its caller, for
// a caller that is not known.
func (s *summary) asked(function int, into bitset) {
	if f := s.graph.found[function]; f != nil && len(f.sources) > 0 {
		into.add(maxNumber + len(s.Imports) + s.sites[s.graph.functions[function].from])
	}
}

func (s *summary) unite(old int, into bitset) {
	for _, n := range s.Sets[old].Calls {
		into.add(n)
	}
	for _, n := range s.Sets[old].Imports {
		into.add(maxNumber + n)
	}
	for _, n := range s.Sets[old].Sites {
		into.add(maxNumber + len(s.Imports) + n)
	}
}

// own adds what a node does itself.
func (s *summary) own(node int, into bitset) {
	g := s.graph
	for _, i := range g.imports[node] {
		into.add(maxNumber + int(i))
	}
	for _, to := range g.handed[node] {
		s.asked(int(to), into)
	}
	f := g.found[node]
	if f == nil || node >= len(g.functions) {
		return
	}
	for _, n := range f.numbers {
		if n < maxNumber {
			into.add(int(n))
		}
	}
	for _, at := range f.unknown {
		into.add(maxNumber + len(s.Imports) + s.sites[at])
	}
}

// lookUpNames makes imports of the names that the code looks up by dlsym(3).
func (s *summary) lookUpNames() {
	g := s.graph
	index := map[string]int{}
	for _, i := range slices.Sorted(maps.Keys(g.found)) {
		for _, at := range g.found[i].strings {
			name, ok := g.text(at, 256)
			if !ok || name == "" {
				continue
			}
			if _, known := index[name]; !known {
				index[name] = len(g.dynamic.imports)
				g.dynamic.imports = append(g.dynamic.imports, imported{Name: name, Weak: true})
			}
			g.imports[i] = append(g.imports[i], int32(index[name]))
		}
	}
}

// findSites lists the places whose number is unknown, in the order of their
// addresses.
func (s *summary) findSites() {
	s.sites = map[uint64]int{}
	note := func(at uint64, symbol string) {
		if _, ok := s.sites[at]; !ok {
			s.sites[at] = 0
			s.Sites = append(s.Sites, Site{at, symbol})
		}
	}
	for i, f := range s.graph.found {
		name := s.graph.functions[i].name
		for _, at := range f.unknown {
			note(at, name)
		}
		if len(f.sources) > 0 {
			note(s.graph.functions[i].from, name)
		}
	}
	sort.Slice(s.Sites, func(i, j int) bool { return s.Sites[i].Address < s.Sites[j].Address })
	for i, site := range s.Sites {
		s.sites[site.Address] = i
	}
}

// keep returns the index of a set, which others may share.
func (s *summary) keep(b bitset) int {
	key := make([]byte, 0, 8*len(b))
	for _, w := range b {
		key = binary.LittleEndian.AppendUint64(key, w)
	}
	if i, ok := s.known[string(key)]; ok {
		return i
	}
	imports, sites := maxNumber+len(s.Imports), maxNumber+len(s.Imports)+len(s.Sites)
	s.Sets = append(s.Sets, set{b.all(0, maxNumber), b.all(maxNumber, imports), b.all(imports, sites)})
	s.known[string(key)] = len(s.Sets) - 1
	return len(s.Sets) - 1
}
