package manifest

import "testing"

// everything has an entry of every kind, in no particular order and spelling.
const everything = `{
 "version": 1,
 "syscalls": {"architecture": "amd64", "kernel": "6.18", "allow": [
  {"name": "write"},
  {"name": "socket", "when": [{"arg": 1, "mask": "0xf", "oneOf": ["1"]}, {"arg": 0, "oneOf": ["AF_INET6", "2", "AF_INET"]}], "reason": "serves clients"},
  {"name": "clone", "when": [{"arg": 0, "mask": "0x7e020000", "oneOf": ["0"]}]},
  {"name": "read"},
  {"name": "ioctl", "when": [{"arg": 1, "mask": "0xffffffff", "oneOf": ["0x5413"]}], "optional": true}
 ]},
 "capabilities": [{"name": "CAP_SETUID"}, {"name": "CAP_NET_RAW", "optional": true}],
 "identity": {"mode": "range", "reason": "drops root"},
 "execute": [{"path": "/usr/bin/app"}, {"path": "/bin/sh", "reason": "runs hooks"}],
 "filesystem": {"readable": [{"path": "/usr"}, {"path": "/etc"}], "writable": [{"path": "/tmp", "size": 67108864}, {"path": "/run", "size": 1048576}]},
 "mounts": [{"path": "/srv", "host": "/srv/www"}, {"path": "/data", "volume": "data", "write": true}],
 "devices": [{"path": "/dev/dri/card0", "optional": true}],
 "network": {"mode": "private",
  "egress": [{"host": "api.example.com", "ports": ["8000-8100", "443", "444", "8050-8200"], "protocol": "tcp"}, {"cidr": "2001:db8::/64", "ports": ["53"], "protocol": "udp"}],
  "listen": [{"port": 8080, "protocol": "tcp", "publish": true}]},
 "resources": {"memory": 268435456, "pids": 64}
}`

const everythingCanonical = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[` +
	`{"name":"clone","when":[{"arg":0,"mask":"CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET","oneOf":["0"]}]},` +
	`{"name":"ioctl","when":[{"arg":1,"oneOf":["TIOCGWINSZ"]}],"optional":true},` +
	`{"name":"read"},` +
	`{"name":"socket","when":[{"arg":0,"oneOf":["AF_INET","AF_INET6"]},{"arg":1,"mask":"0xf","oneOf":["SOCK_STREAM"]}],"reason":"serves clients"},` +
	`{"name":"write"}]},` +
	`"capabilities":[{"name":"CAP_NET_RAW","optional":true},{"name":"CAP_SETUID"}],` +
	`"identity":{"mode":"range","reason":"drops root"},` +
	`"execute":[{"path":"/bin/sh","reason":"runs hooks"},{"path":"/usr/bin/app"}],` +
	`"filesystem":{"readable":[{"path":"/etc"},{"path":"/usr"}],"writable":[{"path":"/run","size":1048576},{"path":"/tmp"}]},` +
	`"mounts":[{"path":"/data","volume":"data","write":true},{"path":"/srv","host":"/srv/www"}],` +
	`"devices":[{"path":"/dev/dri/card0","optional":true}],` +
	`"network":{"mode":"private","egress":[{"cidr":"2001:db8::/64","ports":["53"],"protocol":"udp"},{"host":"api.example.com","ports":["443-444","8000-8200"],"protocol":"tcp"}],"listen":[{"port":8080,"protocol":"tcp","publish":true}]},` +
	`"resources":{"memory":268435456,"pids":64}}`

func parse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCanonical(t *testing.T) {
	m := parse(t, everything)
	got, err := m.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != everythingCanonical {
		t.Errorf("got\n%s\nwant\n%s", got, everythingCanonical)
	}
	// The digest is what approvals are bound to: a change of it here would
	// make every approval there is worthless.
	const want = "sha256:"
	digest, err := m.Digest()
	if err != nil || digest[:len(want)] != want || len(digest) != len(want)+64 {
		t.Errorf("got digest %q, %v", digest, err)
	}
	if again, err := parse(t, everythingCanonical).Digest(); err != nil || again != digest {
		t.Errorf("the canonical form has digest %q, %v", again, err)
	}
	if m.Syscalls.Allow[0].Name != "write" || m.Filesystem.Writable[0].Size == 0 {
		t.Error("Canonical changed the manifest")
	}
}

func TestCanonicalOfInvalid(t *testing.T) {
	if data, err := new(Manifest).Canonical(); err == nil {
		t.Errorf("the zero manifest has the canonical form %s", data)
	}
}
