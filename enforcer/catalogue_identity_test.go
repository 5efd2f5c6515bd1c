package enforcer_test

import "github.com/least-privilege/lpm/manifest"

// identityAttacks become others, or take capabilities.
func identityAttacks() []attack {
	return []attack{
		{
			name: "setuid", source: "setuid(2), credentials(7)", tries: "becomes another user",
			base: calls("setuid"), grant: both(ranged, capability("CAP_SETUID")),
		},
		{
			name: "setgid", source: "setgid(2), credentials(7)", tries: "joins another group",
			base: calls("setgid"), grant: both(ranged, capability("CAP_SETGID")),
		},
		{
			name: "setgroups", source: "CVE-2014-8989", tries: "leaves the caller's groups",
			base: calls("setgroups"), grant: both(ranged, capability("CAP_SETGID")),
		},
		{
			name: "setfsuid", source: "setfsuid(2)", tries: "becomes another user for files alone",
			base: calls("setfsuid"), grant: both(ranged, capability("CAP_SETUID")),
		},
		{
			name: "setresuid_unmapped", source: "user_namespaces(7)", tries: "becomes a user that the container has no id for",
			base: both(calls("setresuid"), ranged, capability("CAP_SETUID")), bare: "refused: setresuid: EINVAL",
		},
		{
			name: "chown", source: "chown(2)", tries: "gives a file to another user",
			base: calls("fchownat"), grant: both(ranged, capability("CAP_CHOWN")),
		},
		{
			name: "chown_unmapped", source: "chown(2), user_namespaces(7)", tries: "gives a file to a user that the container has no id for",
			base: both(calls("fchownat"), ranged, capability("CAP_CHOWN")), bare: "refused: fchownat: EINVAL",
		},
		{
			name: "capset", source: "capset(2)", tries: "takes back a capability that was given up",
			base: calls("capset"), grant: capability("CAP_SYS_CHROOT"),
		},
		{
			name: "ambient", source: "capabilities(7); CVE-2022-24769", tries: "has a capability stay with every program",
			grant: capability("CAP_NET_RAW"),
		},
		{
			name: "securebits", source: "capabilities(7)", tries: "changes what user 0 means for capabilities",
			grant: capability("CAP_SETPCAP"),
		},
		{
			name: "file_capability", source: "capabilities(7); CVE-2018-18955", tries: "writes a capability onto a file",
			base: calls("setxattr"), grant: capability("CAP_SETFCAP"),
		},
	}
}

// ranged grants a range of ids.
func ranged(m *manifest.Manifest) { m.Identity.Mode = manifest.IdentityRange }
