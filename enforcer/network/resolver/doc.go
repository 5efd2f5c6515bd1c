// Package resolver answers the DNS questions of a container: those about names
// that its manifest grants, and no others.
//
// A question is read, judged and thrown away. What goes to the host's DNS
// servers is composed anew from the name and the type; what comes back is read
// strictly, and the reply is composed anew from the addresses in it. So neither
// side sends a byte to the other but these:
//
//	container to server    the name, where a wildcard leaves the choice to it
//	server to container    addresses and their time to live
//
// That much is a channel. Below a wildcard a container can tell whoever answers
// for the granted name about 100 bytes a question. The parts below a wildcard
// are bounded (see [policy.Rules.Name]) and so is the rate of new ones, at 5 a
// second after the first 100; it cannot be closed, and a wildcard is dangerous
// for that reason. A name without one leaves a container the time of its
// questions and the choice between two types.
//
// What is answered:
//
//	A, AAAA     by /etc/hosts, or by the servers of /etc/resolv.conf; chains of
//	            CNAME records are followed and left out of the reply, so that
//	            the addresses are those of the name that was asked for
//	PTR         by the names that were resolved to the address before
//	localhost   by the loopback addresses, which are the container's own there
//	others      with no data where the name is granted. HTTPS and SVCB repeat
//	            addresses, past the checks; TXT, MX, SRV, NS and the rest carry
//	            what a server likes, and other names
//
// A name that is not granted does not exist (NXDOMAIN). Addresses that a name
// may not lead to are left out (see [policy.Rules.Address]). The others are
// recorded in [policy.Pins] before the reply is given out, so that a connection
// cannot come before them.
package resolver
