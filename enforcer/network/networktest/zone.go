package networktest

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// A Record is what a name server says about a name.
type Record struct {
	// Type is A, AAAA or CNAME.
	Type string
	// Value is an address, or a name without a dot at its end.
	Value string
	// TTL is for how many seconds it may be kept.
	TTL uint32
}

// A Query is a question that a name server was asked.
type Query struct {
	// Network is tcp or udp.
	Network string
	// Name is in lower case, with no dot at its end.
	Name string
	// Type is as in [Record], or another as dnsmessage prints it, such as TypeMX.
	Type string
}

// Zone is what the name servers know: of every name, what they answer.
type Zone struct {
	mu      sync.Mutex
	names   map[string]*answers
	dead    bool
	queries []Query
}

// answers are what a name server says about one name.
type answers struct {
	// turns are given one after another; the last one stays.
	turns [][]Record
	// asked is the type of the question that turns are counted by.
	asked map[dnsmessage.Type]int
	// long has answers not fit in a datagram.
	long bool
	code dnsmessage.RCode
}

func newZone() *Zone {
	z := &Zone{names: map[string]*answers{}}
	z.Set(WebName, Record{"A", Web4, 60}, Record{"AAAA", Web6, 60})
	z.Set(AliasName, Record{"CNAME", WebName, 60})
	z.Set(OtherName, Record{"A", Other4, 60}, Record{"AAAA", Other6, 60})
	return z
}

// Set says what a name has. A name that has nothing exists nevertheless.
func (z *Zone) Set(name string, records ...Record) { z.SetTurns(name, records) }

// SetTurns gives each question of one type for the name another answer, but
// that the last one stays: so does a name that is bound anew.
func (z *Zone) SetTurns(name string, turns ...[]Record) {
	z.put(name, &answers{turns: turns})
}

// SetTruncated says what a name has, but over UDP only that it does not fit.
func (z *Zone) SetTruncated(name string, records ...Record) {
	z.put(name, &answers{turns: [][]Record{records}, long: true})
}

// Fail answers questions for a name with an error, such as
// dnsmessage.RCodeServerFailure. Names that were never set do not exist.
func (z *Zone) Fail(name string, code dnsmessage.RCode) { z.put(name, &answers{code: code}) }

func (z *Zone) put(name string, a *answers) {
	z.mu.Lock()
	defer z.mu.Unlock()
	a.asked = map[dnsmessage.Type]int{}
	z.names[strings.ToLower(name)] = a
}

// SetDead has the servers not answer at all, or again.
func (z *Zone) SetDead(dead bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.dead = dead
}

// Queries returns what was asked up to now, also of dead servers.
func (z *Zone) Queries() []Query {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.queries)
}

func (z *Zone) forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.queries = nil
}

// Asked reports whether a question for a name has come.
func (z *Zone) Asked(name string) bool {
	return slices.ContainsFunc(z.Queries(), func(q Query) bool { return q.Name == strings.ToLower(name) })
}

// look returns what there is for a name: whether it exists, and the records of
// the type with the aliases that lead to them.
func (z *Zone) look(name string, kind dnsmessage.Type) (found []named, long bool, code dnsmessage.RCode) {
	for range 16 { // a longer chain is a circle
		a, ok := z.names[name]
		if !ok {
			return found, long, dnsmessage.RCodeNameError
		}
		long = long || a.long
		if a.code != dnsmessage.RCodeSuccess || len(a.turns) == 0 {
			return found, long, a.code
		}
		turn := a.turns[min(a.asked[kind], len(a.turns)-1)]
		a.asked[kind]++
		next := ""
		for _, r := range turn {
			if r.Type == "CNAME" {
				next = strings.ToLower(r.Value)
			}
			if r.Type == "CNAME" || "Type"+r.Type == kind.String() {
				found = append(found, named{name, r})
			}
		}
		if next == "" {
			return found, long, dnsmessage.RCodeSuccess
		}
		name = next
	}
	return found, long, dnsmessage.RCodeServerFailure
}

// named is a record with its name.
type named struct {
	name string
	Record
}
