// Package gateway is the network of a container with a private network.
//
// It takes the container's packets from its device, asks package policy about
// each connection, flow and name, opens the host's side of what is granted, and
// tells the launcher of the rest. It is a process of its own (lpm-net), which
// has nothing of the container but its device, so that what a hostile packet
// could do to it is not done to the supervisor.
package gateway
