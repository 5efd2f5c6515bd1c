// Package networktest is a made-up internet for tests.
//
// [Run] runs a test in a world of its own: network and mount namespaces, for an
// ordinary user also a user namespace. There the machine has one device, lo,
// and addresses set aside for documentation (RFC 5737, RFC 3849) lead to
// servers of the test. They are no addresses of the machine ([Host4] and
// [Host6] are), but local routes: lpm sees them as somewhere else. Nothing
// leaves the machine, for there is no way out.
//
// Every service is at every address of [Addresses]:
//
//	tcp and udp 7   returns what it gets
//	tcp 9           reads until the end, then tells the length and SHA-256 of it
//	tcp 19          sends without end
//	tcp 80, 443     HTTP and HTTPS: see [World.Handler]
//
// [Resolver4] and [Resolver6] resolve names, as the test says with [World.Zone].
// What passes by on lo is noted, so that a test can tell that nothing did.
//
// An ordinary user stays one in there, with the same id and no capabilities,
// and with those of his subordinate ids that exist but the first: newuidmap and
// newgidmap work. Root stays root.
package networktest
