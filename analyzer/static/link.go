package static

import (
	"cmp"
	"path"
	"slices"
	"sort"
	"strings"
)

// linker follows imports from file to file, program by program.
type linker struct {
	tree  *tree
	found Evidence
	best  map[int]way // by number
	asked map[int]bool
}

// way is how a call is reached, and how good an explanation it is: the
// shorter and the more specific, the better.
type way struct {
	depth, breadth int
	text           string
}

func (w way) before(o way) bool {
	return cmp.Or(cmp.Compare(w.depth, o.depth), cmp.Compare(w.breadth, o.breadth), strings.Compare(w.text, o.text)) < 0
}

// units links each program with its libraries. A library that none of them
// needs was loaded by dlopen(3): all that it exports may be called.
func (l *linker) units(paths []string) {
	var modules []*module
	for _, p := range paths {
		if m := l.tree.paths[p]; m != nil && !slices.Contains(modules, m) {
			modules = append(modules, m)
		}
	}
	slices.SortFunc(modules, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	linked := map[*module]bool{}
	for _, m := range modules {
		if isLibrary(m.path, m.file) {
			continue
		}
		for _, s := range l.unit(m, false) {
			linked[s] = true
		}
	}
	for _, m := range modules {
		if !linked[m] && isLibrary(m.path, m.file) {
			for _, s := range l.unit(m, true) {
				linked[s] = true
			}
		}
	}
	for m := range linked {
		if m.file.Libc != "" && (l.found.Libc == "" || m.file.Libc < l.found.Libc) {
			l.found.Libc = m.file.Libc
		}
	}
}

// entered is a place where a module is entered.
type entered struct {
	module *module
	set    int
	depth  int
	text   string
}

// place tells apart what was visited.
type visited struct {
	module *module
	set    int
}

// unit links one program or library, and returns the files of it.
func (l *linker) unit(root *module, opened bool) []*module {
	scope := []*module{root}
	for i := 0; i < len(scope); i++ {
		for _, m := range scope[i].needed {
			if !slices.Contains(scope, m) {
				scope = append(scope, m)
			}
		}
	}
	u := &unit{linker: l, scope: scope, seen: map[visited]bool{}, done: map[*module][]bool{}}
	name := path.Base(root.path)
	if opened {
		exports := make([]string, 0, len(root.file.Exports))
		for symbol := range root.file.Exports {
			exports = append(exports, symbol)
		}
		sort.Strings(exports)
		for _, symbol := range exports {
			u.enter(entered{root, root.file.Exports[symbol], 0, symbol + " (" + name + ")"})
		}
	} else {
		u.enter(entered{root, root.file.Entry, 0, name})
		for _, n := range root.file.Sets[root.file.Entry].Calls {
			u.asked[n] = true
		}
	}
	for _, m := range scope {
		text := name
		if m != root {
			text = name + " → start (" + path.Base(m.path) + ")"
		}
		u.enter(entered{m, m.file.Start, 1, text})
		if !opened && root.file.Interpreter != "" && l.tree.paths[root.file.Interpreter] == m {
			u.enter(entered{m, m.file.Entry, 1, text})
		}
	}
	for len(u.queue) > 0 {
		e := u.queue[0]
		u.queue = u.queue[1:]
		u.visit(e)
	}
	return scope
}

// unit is one program's files, in the order in which symbols are looked up.
type unit struct {
	*linker
	scope []*module
	seen  map[visited]bool
	queue []entered
	done  map[*module][]bool // imports that were followed
}

func (u *unit) enter(e entered) {
	// An entry by another name at the same depth may explain a call better,
	// but leads nowhere else.
	key := visited{e.module, e.set}
	set := &e.module.file.Sets[e.set]
	for _, n := range set.Calls {
		w := way{e.depth, len(set.Calls), e.text}
		if old, ok := u.best[n]; !ok || w.before(old) {
			u.best[n] = w
		}
	}
	if !u.seen[key] {
		u.seen[key] = true
		u.queue = append(u.queue, e)
	}
}

func (u *unit) visit(e entered) {
	set := &e.module.file.Sets[e.set]
	for _, i := range set.Sites {
		u.site(e.module, i)
	}
	// Places are visited in the order of their depth, so the first to ask for
	// an import is as good a way to it as any.
	done := u.done[e.module]
	if done == nil {
		done = make([]bool, len(e.module.file.Imports))
		u.done[e.module] = done
	}
	for _, i := range set.Imports {
		if !done[i] {
			done[i] = true
			u.resolve(e, e.module.file.Imports[i])
		}
	}
}

func (u *unit) site(m *module, i int) {
	s := FileSite{m.path, m.file.Sites[i]}
	if !slices.Contains(u.found.Sites, s) {
		u.found.Sites = append(u.found.Sites, s)
	}
}

// resolve finds the file that a symbol comes from: the first that exports it.
// One that none of the program's files has may be of another's, as that of a
// module is of the program that opens it.
func (u *unit) resolve(e entered, i imported) {
	for _, m := range u.scope {
		if set, ok := m.file.Exports[i.Name]; ok && !(i.Others && m == e.module) {
			u.across(e, m, set, i.Name)
			return
		}
	}
	if i.Weak {
		return
	}
	for _, m := range u.tree.sorted() {
		if set, ok := m.file.Exports[i.Name]; ok {
			u.across(e, m, set, i.Name)
			return
		}
	}
	missing := FileSite{e.module.path, Site{Symbol: i.Name}}
	if !slices.Contains(u.found.Sites, missing) {
		u.found.Sites = append(u.found.Sites, missing)
	}
}

// across follows an import into the file that exports it.
func (u *unit) across(e entered, m *module, set int, symbol string) {
	// What a library asks for, another program might have it for: only the
	// unit's own file counts.
	if e.module == u.scope[0] && m != e.module {
		for _, n := range m.file.Near[symbol] {
			u.asked[n] = true
		}
	}
	u.enter(entered{m, set, e.depth + 1, e.text + " → " + symbol + " (" + path.Base(m.path) + ")"})
}

// sorted returns the tree's modules by path.
func (t *tree) sorted() []*module {
	var all []*module
	for _, m := range t.modules {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return all
}
