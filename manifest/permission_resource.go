package manifest

import "slices"

// bounds lists the resources in the manifest's order.
func (r *Resources) bounds() []resource {
	return []resource{
		{"memory", &r.Memory, memoryBound, "Memory", Dangerous, "Use up the machine's memory, so that other programs are stopped for want of it.", "Use memory up to this bound.", Bytes},
		{"pids", &r.PIDs, pidsBound, "Processes", Dangerous, "Start processes until the machine can start no more.", "Start processes and threads up to this number.", plain},
		{"milliCPU", &r.MilliCPU, milliCPUBound, "Processor", Normal, "Use all processors of the machine, so that everything else is slow.", "Use the processor up to this share.", processors},
		{"ioWeight", &r.IOWeight, ioWeightBound, "Disk weight", Normal, "Keep the disks so busy that everything else that reads and writes is slow.", "Use a disk that others want too up to this weight.", weight},
		{"openFiles", &r.OpenFiles, openFilesBound, "Open files", Normal, "Hold as many open files as your account may.", "Hold open files up to this number for each process.", plain},
		{"fileSize", &r.FileSize, fileSizeBound, "File size", Normal, "Write single files as large as the place they are in.", "Write single files up to this size.", Bytes},
	}
}

// resource is one field of [Resources] with what is known of it.
type resource struct {
	name  string
	value *int64
	bound bound
	title string
	// unbounded is the level, and without its meaning, where there is no bound.
	unbounded     Level
	without, with string
	text          func(int64) string
}

// Bound is one of the bounds that a manifest sets.
type Bound struct {
	// Name is the field's, such as "milliCPU"; Value is never zero.
	Name  string
	Value int64
	// Text is the value as a person reads it, such as "0.5 processors".
	Text string
}

// Bounds returns the bounds that are set, in the manifest's order.
func (r Resources) Bounds() []Bound {
	var set []Bound
	for _, b := range r.bounds() {
		if *b.value != 0 {
			set = append(set, Bound{b.name, *b.value, b.text(*b.value)})
		}
	}
	return set
}

// Only returns the bounds that are named, without the others.
func (r Resources) Only(names ...string) Resources {
	for _, b := range r.bounds() {
		if !slices.Contains(names, b.name) {
			*b.value = 0
		}
	}
	return r
}

// atMost reports whether a bound of a is no wider than one of b; 0 is none.
func atMost(a, b int64) bool { return b == 0 || a != 0 && a <= b }

func (m *Manifest) resourceGrants() []grant {
	var grants []grant
	for i, r := range m.Resources.bounds() {
		p := Permission{
			ID: "resource:" + r.name, Group: "resources", Title: r.title + ": at most " + r.text(*r.value),
			Meaning: r.with, Level: Normal, Path: "resources." + r.name,
		}
		if *r.value == 0 {
			p.Title, p.Meaning, p.Level, p.Path = r.title+": no bound", r.without, r.unbounded, ""
		}
		value := *r.value
		grants = append(grants, grant{
			Permission: p,
			subject:    p.ID,
			in:         func(outer *Manifest) bool { return atMost(value, *outer.Resources.bounds()[i].value) },
		})
	}
	return grants
}
