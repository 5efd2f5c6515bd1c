// Package link connects a launcher with the process that is its container's
// network.
//
// The two talk over a socket that keeps messages apart (SOCK_SEQPACKET). The
// launcher hands over the container's network device, asks whether a
// connection may be made, and is told what the network refused. When either end
// is closed, the other one ends: a container is never left with a network that
// nobody watches, nor a network without its container.
//
// It is linked by the program that every launch starts with: nothing here knows
// how packets are handled or names resolved.
package link
