package manifest

import (
	"cmp"
	"slices"
)

// mergePorts returns the same ports in as few ranges as possible, sorted.
func mergePorts(ports []PortRange) []PortRange {
	sorted := slices.Clone(ports)
	slices.SortFunc(sorted, func(a, b PortRange) int { return cmp.Compare(a.From, b.From) })
	var merged []PortRange
	for _, r := range sorted {
		if n := len(merged); n > 0 && int(r.From) <= int(merged[n-1].To)+1 {
			merged[n-1].To = max(merged[n-1].To, r.To)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// portsWithin reports whether outer has every port of inner.
func portsWithin(outer, inner []PortRange) bool {
	merged := mergePorts(outer)
	for _, r := range inner {
		if !slices.ContainsFunc(merged, func(o PortRange) bool { return o.From <= r.From && r.To <= o.To }) {
			return false
		}
	}
	return true
}

// commonPorts returns the ports that are in both.
func commonPorts(a, b []PortRange) []PortRange {
	var common []PortRange
	for _, r := range mergePorts(a) {
		for _, s := range mergePorts(b) {
			if from, to := max(r.From, s.From), min(r.To, s.To); from <= to {
				common = append(common, PortRange{from, to})
			}
		}
	}
	return mergePorts(common)
}
