package manifest

// Allows reports whether a call of that name can be made with any arguments
// for which all of the conditions hold. It is false for a call or a condition
// that the architecture does not know.
func (s Syscalls) Allows(name string, when ...Condition) bool {
	if _, known := LookupSyscall(s.Architecture, name); !known {
		return false
	}
	wanted, err := Syscall{Name: name, When: when}.resolve(s.Architecture)
	if err != nil {
		return false
	}
	for _, b := range s.boxes(name) {
		if _, some := b.meet(wanted); some {
			return true
		}
	}
	return false
}
