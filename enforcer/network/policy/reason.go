package policy

// Reason says why something is allowed or denied. The zero value is a denial.
type Reason uint8

// The reasons of denials.
const (
	// NotGranted is an address to which no granted name or block leads.
	NotGranted Reason = iota
	// NameNotGranted is a name that the manifest does not have.
	NameNotGranted
	// BadName is what cannot be a host's name.
	BadName
	// LongName is a name with more below a wildcard than is looked up.
	LongName
	// Reverse is an address whose name is asked for, and which has none here.
	Reverse
	// OtherPort is a granted destination at a port or by a protocol that is
	// not granted.
	OtherPort
	// Malformed is an address that is none, or one of a protocol that is none.
	Malformed
	// Inner is an address of the container's own block.
	Inner
	// Unspecified is an address of 0.0.0.0/8, or ::.
	Unspecified
	// Loopback is the machine's own loopback.
	Loopback
	// Metadata is an address where a cloud hands out a machine's keys.
	Metadata
	// LinkLocal is an address that is only valid on one link.
	LinkLocal
	// Multicast is an address of many machines.
	Multicast
	// Broadcast is the address of all machines on the link.
	Broadcast
	// Host is one of the machine's own addresses.
	Host
)

// The reasons for which something is allowed.
const (
	// ByBlock is an address in a granted block.
	ByBlock Reason = iota + 100
	// ByName is a granted name.
	ByName
	// ByWildcard is a name below a granted one.
	ByWildcard
	// Recorded is all that leaves the container while it is recorded.
	Recorded
)

// String returns the reason in plain words, to follow a colon.
func (r Reason) String() string {
	switch r {
	case NotGranted:
		return "the manifest grants neither this address nor a name that was resolved to it"
	case NameNotGranted:
		return "the manifest does not grant this name"
	case BadName:
		return "this cannot be the name of a host"
	case LongName:
		return "the name has more or longer parts below the wildcard than are looked up"
	case Reverse:
		return "no granted name was resolved to this address"
	case OtherPort:
		return "the manifest grants this destination, but not at this port and by this protocol"
	case Malformed:
		return "this is no address that can be connected to"
	case Inner:
		return "the address is the container's own and leads nowhere outside"
	case Unspecified:
		return "the address is that of no machine"
	case Loopback:
		return "the address is this machine's loopback, which no name may lead to"
	case LinkLocal:
		return "the address is local to one link, which no name may lead to"
	case Multicast:
		return "the address is that of a group of machines, which no name may lead to"
	case Broadcast:
		return "the address is that of all machines on the link, which no name may lead to"
	case Metadata:
		return "the address is a cloud's metadata service, which no name may lead to"
	case Host:
		return "the address is one of this machine's own, which no name may lead to"
	case ByBlock:
		return "an address block of the manifest has this address"
	case ByName:
		return "the manifest grants this name"
	case ByWildcard:
		return "the manifest grants the names below this one's end"
	case Recorded:
		return "everything that leaves the container is let through while it is recorded"
	}
	return "unknown reason"
}
