package record

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// Bounds of what one record keeps of each kind. They are far above what
// programs do and below evidence.MaxList; a container that floods a recorder
// finds the rest counted, not kept.
const (
	maxCalls   = 2048
	maxValues  = 256 // combinations of arguments for one call
	maxPaths   = 4096
	maxSockets = 4096
	maxOthers  = 1024
	// maxText bounds the bytes of all texts together: one byte takes up to
	// six in JSON, and with all lists full the record must still be smaller
	// than evidence.MaxSize.
	maxText = 3 << 19
)

// occasion is when something happened and who did it. Where several are told
// of at once, count is how many, and ms when the first of them was.
type occasion struct {
	ms      int64
	program string
	count   uint64 // 0 is one
	check   bool   // the image's health check did it
}

type callKey struct {
	arch   string
	number int
}

type accessKey struct {
	family, address, protocol string
	port                      uint16
}

type idKey struct {
	kind string
	id   uint32
}

type signalKey struct {
	number int
	to     evidence.Target
	call   string
}

// facts is what has been seen, one entry for each distinct fact.
type facts struct {
	calls        map[callKey]*evidence.Call
	values       map[callKey]map[string]*evidence.Values
	programs     map[string]*evidence.Program
	libraries    map[string]bool
	files        map[string]*evidence.File
	reads        map[string]*evidence.Read
	devices      map[string]*evidence.Device
	connects     map[accessKey]*evidence.Connect
	binds        map[accessKey]*evidence.Bind
	names        map[string]*evidence.Name
	ids          map[idKey]*evidence.ID
	capabilities map[string]*evidence.Capability
	signals      map[signalKey]*evidence.Signal
	limits       map[string]*evidence.Limit

	truncated       map[string]uint64
	lost, cancelled uint64
	spent           int // bytes of text kept
	watch           watch
}

// watch collects what is counted, for it to be counted again.
type watch struct {
	on, incomplete bool
	seen           []*evidence.Seen
}

// collect begins a watch.
func (f *facts) collect() { f.watch = watch{on: true} }

// watched ends the watch, and returns what was counted since it began. It is
// not complete where the record had no room for something.
func (f *facts) watched() (seen []*evidence.Seen, complete bool) {
	w := f.watch
	f.watch = watch{}
	return w.seen, w.on && !w.incomplete
}

// leaveOut counts something that there is no room for.
func (f *facts) leaveOut(list string) {
	f.truncated[list]++
	f.watch.incomplete = true
}

func newFacts() facts {
	return facts{
		calls:        map[callKey]*evidence.Call{},
		values:       map[callKey]map[string]*evidence.Values{},
		programs:     map[string]*evidence.Program{},
		libraries:    map[string]bool{},
		files:        map[string]*evidence.File{},
		reads:        map[string]*evidence.Read{},
		devices:      map[string]*evidence.Device{},
		connects:     map[accessKey]*evidence.Connect{},
		binds:        map[accessKey]*evidence.Bind{},
		names:        map[string]*evidence.Name{},
		ids:          map[idKey]*evidence.ID{},
		capabilities: map[string]*evidence.Capability{},
		signals:      map[signalKey]*evidence.Signal{},
		limits:       map[string]*evidence.Limit{},
		truncated:    map[string]uint64{},
	}
}

// see counts one more occurrence. Lists that a record shares with the recorder
// are replaced, never changed in place.
func (f *facts) see(s *evidence.Seen, o occasion) {
	if ms := max(0, o.ms); s.Count == 0 || ms < s.First {
		s.First = ms
	}
	s.Count += max(1, o.count)
	if o.check {
		s.Check += max(1, o.count)
	}
	if f.watch.on {
		f.watch.seen = append(f.watch.seen, s)
	}
	program := text(o.program)
	if program == "" {
		return
	}
	at, known := slices.BinarySearch(s.Programs, program)
	switch {
	case known:
	case len(s.Programs) == evidence.MaxPrograms || !f.afford(program):
		f.leaveOut("programs")
	default:
		s.Programs = slices.Insert(slices.Clone(s.Programs), at, program)
	}
}

// afford takes the strings from the budget and reports whether there was
// enough left.
func (f *facts) afford(texts ...string) bool {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	if f.spent+n > maxText {
		return false
	}
	f.spent += n
	return true
}

// entry returns the fact with the given key, making it where it is new. When
// the list is full, or the record for the texts of this fact, it counts that
// and returns a fact that nothing keeps.
func entry[K comparable, V any](f *facts, m map[K]*V, list string, limit int, key K, fresh V, texts ...string) *V {
	if v, ok := m[key]; ok {
		return v
	}
	v := &fresh
	if len(m) >= limit || !f.afford(texts...) {
		f.leaveOut(list)
		return v
	}
	m[key] = v
	return v
}

func (f *facts) call(key callKey, name string, o occasion) *evidence.Call {
	c := entry(f, f.calls, "calls", maxCalls, key, evidence.Call{
		Architecture: key.arch, Number: key.number, Name: name,
	})
	f.see(&c.Seen, o)
	return c
}

func (f *facts) callValues(c *evidence.Call, args []evidence.Arg, o occasion) {
	key := callKey{c.Architecture, c.Number}
	if f.calls[key] != c {
		return // the list of calls is full, which is counted there
	}
	if f.values[key] == nil {
		f.values[key] = map[string]*evidence.Values{}
	}
	v := entry(f, f.values[key], "values", maxValues, fmt.Sprint(args), evidence.Values{Args: args})
	f.see(&v.Seen, o)
}

// file notes a change. When there are too many files their folder is the
// honest answer; only when there are too many folders is anything left out.
func (f *facts) file(p string, a evidence.Access, o occasion) {
	p = text(p)
	_, known := f.files[p]
	if !known && len(f.files) >= maxPaths {
		p, a = path.Dir(p), evidence.Below
	}
	v := entry(f, f.files, "files", 2*maxPaths-1, p, evidence.File{Path: p}, p)
	if at, ok := slices.BinarySearch(v.Access, a); !ok {
		v.Access = slices.Insert(slices.Clone(v.Access), at, a)
	}
	f.see(&v.Seen, o)
}

// library notes a file that may be mapped as code.
func (f *facts) library(name string) {
	if name = text(name); f.libraries[name] {
		return
	}
	if len(f.libraries) >= maxPaths || !f.afford(name) {
		f.leaveOut("libraries")
		return
	}
	f.libraries[name] = true
}

// read notes a file or folder that was opened for reading, by the same rule.
func (f *facts) read(p string, o occasion) {
	p = text(p)
	_, known := f.reads[p]
	all := !known && len(f.reads) >= maxPaths
	if all {
		p = path.Dir(p)
	}
	v := entry(f, f.reads, "reads", 2*maxPaths-1, p, evidence.Read{Path: p}, p)
	v.Below = v.Below || all
	f.see(&v.Seen, o)
}

// text makes a string from the container fit for a record: valid UTF-8, and
// no longer than a record's strings can be. What is left of a path that was
// clean is clean again: the cut can be after a slash, or within a name that
// begins with dots.
func text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= evidence.MaxText {
		return s
	}
	n := evidence.MaxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	if s = s[:n]; path.IsAbs(s) {
		s = path.Clean(s)
	}
	return s
}

// fill writes the facts into a record, each list sorted.
func (f *facts) fill(r *evidence.Record) {
	r.Lost, r.Cancelled = f.lost, f.cancelled
	if len(f.truncated) > 0 {
		r.Truncated = maps.Clone(f.truncated)
	}
	r.Calls = list(f.calls, func(a, b evidence.Call) int {
		return cmp.Or(cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Number, b.Number))
	})
	for i := range r.Calls {
		c := &r.Calls[i]
		c.Values = list(f.values[callKey{c.Architecture, c.Number}], func(a, b evidence.Values) int {
			return slices.CompareFunc(a.Args, b.Args, func(a, b evidence.Arg) int {
				return cmp.Or(cmp.Compare(a.Arg, b.Arg), cmp.Compare(a.Value, b.Value))
			})
		})
	}
	r.Programs = list(f.programs, func(a, b evidence.Program) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.As, b.As))
	})
	r.Libraries = slices.Sorted(maps.Keys(f.libraries))
	r.Files = list(f.files, func(a, b evidence.File) int { return cmp.Compare(a.Path, b.Path) })
	r.Reads = list(f.reads, func(a, b evidence.Read) int { return cmp.Compare(a.Path, b.Path) })
	r.Devices = list(f.devices, func(a, b evidence.Device) int { return cmp.Compare(a.Path, b.Path) })
	r.Connects = list(f.connects, func(a, b evidence.Connect) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	r.Binds = list(f.binds, func(a, b evidence.Bind) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	r.Names = list(f.names, func(a, b evidence.Name) int { return cmp.Compare(a.Name, b.Name) })
	r.IDs = list(f.ids, func(a, b evidence.ID) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	r.Capabilities = list(f.capabilities, func(a, b evidence.Capability) int { return cmp.Compare(a.Name, b.Name) })
	r.Signals = list(f.signals, func(a, b evidence.Signal) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.To, b.To), cmp.Compare(a.Call, b.Call))
	})
	r.Limits = list(f.limits, func(a, b evidence.Limit) int { return cmp.Compare(a.Resource, b.Resource) })
}

// list copies the values of a map and sorts them.
func list[K comparable, V any](m map[K]*V, compare func(a, b V) int) []V {
	if len(m) == 0 {
		return nil
	}
	all := make([]V, 0, len(m))
	for _, v := range m {
		all = append(all, *v)
	}
	slices.SortFunc(all, compare)
	return all
}
