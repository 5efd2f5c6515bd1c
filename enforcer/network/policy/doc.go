// Package policy decides what leaves a private network, and under which name.
//
// It is pure: it opens no connection and asks no clock. What is decided here is
// carried out by the packages beside it: the resolver answers names that
// [Rules.Name] allows and records the addresses in [Pins]; the stack opens a
// connection when [Rules.Decide] allows the flow.
//
// What holds:
//
//   - An address is reached only if an address block of the manifest has it, or
//     if a granted name was resolved to it a short while ago, by lpm.
//   - Whoever answers for a granted name says where it leads, and may be hostile.
//     So a name never leads to the machine itself, to its link, to a cloud's
//     metadata service or to many machines at once, in whatever form the address
//     comes: as IPv4 in IPv6, or in an address that a translator or a tunnel turns
//     into such a one. Only an address block of the manifest grants those.
//   - The container's own block never leads out, and neither does the
//     unspecified address, which Linux takes for the loopback.
//
// What is not claimed: a translator whose prefix is the site's own (RFC 6052,
// 2.1) is not known here. A granted name leads where its owner says, to the private
// networks (RFC 1918) that the host reaches as well, at the granted ports. Names
// that share an address share it here too: nothing looks into a connection, so
// that what a client says inside of it (SNI, Host) can be another name of the
// same server.
package policy
