package plan

import "slices"

// InterfaceRequests are those of ioctl(2) that read something of a network
// interface (netdevice(7), linux/sockios.h), of all that the kernel answers: a
// struct ifconf of the list, and otherwise a struct ifreq without pointers. They
// are about the network namespace of the socket that they are made of.
func InterfaceRequests() []uint64 {
	return []uint64{
		0x8910, 0x8912, 0x8913, 0x8915, // SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR
		0x8917, 0x8919, 0x891b, 0x891d, // SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC
		0x8921, 0x8927, 0x8933, 0x8942, // SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFTXQLEN
		0x8970, // SIOCGIFMAP
	}
}

// interfaceRequests leaves what can be asked about interfaces to the
// supervisor, which looks whose they are, and denies everything else about them.
// The requests before those are about the socket itself, or about routes, and
// tell nothing; to change these takes capabilities over the socket's network.
func interfaceRequests(rule func(name string, action Action, when ...Compare)) {
	reads := InterfaceRequests()
	var split func(first, size uint64)
	split = func(first, size uint64) {
		read := slices.ContainsFunc(reads, func(r uint64) bool { return first <= r && r < first+size })
		block := Compare{Arg: 1, Mask: word &^ (size - 1), Value: first}
		switch {
		case !read:
			rule("ioctl", ActionEPERM, block)
		case size == 1:
			rule("ioctl", ActionNotify, block)
		default:
			split(first, size/2)
			split(first+size/2, size/2)
		}
	}
	for first := uint64(0x8910); first < 0x8a00; first += 0x10 {
		split(first, 0x10)
	}
}

// leaves reports whether the filter leaves some or all of a granted call to the
// supervisor.
func (b *builder) leaves(name string) bool {
	return b.handedOver(name) || b.noticed(name) || b.handover() && name == "ioctl"
}
