package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestPermissions(t *testing.T) {
	var got strings.Builder
	for _, p := range parse(t, everything).Permissions() {
		optional := ""
		if p.Optional {
			optional = " optional"
		}
		fmt.Fprintf(&got, "%s %s: %s [%s]%s\n", p.Level, p.ID, p.Title, p.Path, optional)
	}
	const golden = `special capability:CAP_NET_RAW: CAP_NET_RAW [capabilities[1]] optional
dangerous listen:tcp/8080: Listen on TCP port 8080, open to the outside [network.listen[0]]
dangerous mount:/srv: Host folder /srv/www at /srv, read only [mounts[0]]
dangerous device:/dev/dri/card0: Device dri/card0 [devices[0]] optional
dangerous execute:/bin/sh: Start /bin/sh [execute[1]]
normal egress:[2001:db8::/64]:udp/53: Connect to 2001:db8::/64, UDP port 53 [network.egress[1]]
normal egress:api.example.com:tcp/443-444,8000-8200: Connect to api.example.com, TCP ports 443-444,8000-8200 [network.egress[0]]
normal network:private: A network of its own [network]
normal mount:/data: Volume data at /data, read and write [mounts[1]]
normal capability:CAP_SETUID: CAP_SETUID [capabilities[0]]
normal identity:range: Several users [identity]
normal execute:/usr/bin/app: Start /usr/bin/app [execute[0]]
normal read:/etc: Read /etc [filesystem.readable[1]]
normal read:/usr: Read /usr [filesystem.readable[0]]
normal write:/run: Write to /run, at most 1 MiB [filesystem.writable[1]]
normal write:/tmp: Write to /tmp, at most 64 MiB [filesystem.writable[0]]
normal resource:fileSize: File size: no bound []
normal resource:ioWeight: Disk weight: no bound []
normal resource:memory: Memory: at most 256 MiB [resources.memory]
normal resource:milliCPU: Processor: no bound []
normal resource:openFiles: Open files: no bound []
normal resource:pids: Processes: at most 64 [resources.pids]
normal syscall:ioctl(1=TIOCGWINSZ): ioctl(1=TIOCGWINSZ) [syscalls.allow[4]] optional
normal syscall:read: read [syscalls.allow[3]]
normal syscall:write: write [syscalls.allow[0]]
normal syscall:socket(0=AF_INET,AF_INET6;1&0xf=SOCK_STREAM): socket(0=AF_INET,AF_INET6;1&0xf=SOCK_STREAM) [syscalls.allow[1]]
normal syscall:clone(0&CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET=0): clone(0&CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET=0) [syscalls.allow[2]]
`
	if got.String() != golden {
		t.Errorf("got\n%s\nwant\n%s", got.String(), golden)
	}
}

func TestSyscallLevels(t *testing.T) {
	for _, tt := range []struct {
		call, conditions string
		want             Level
		meaning          string // a part of it
	}{
		{"socket", ``, Special, "any kind"},
		{"socket", `{"arg":0,"oneOf":["AF_INET","AF_UNIX"]}`, Normal, ""},
		{"socket", `{"arg":0,"oneOf":["AF_INET","AF_NETLINK"]}`, Dangerous, "networks and devices"},
		{"socket", `{"arg":0,"oneOf":["AF_INET","AF_PACKET"]}`, Special, "raw network packets"},
		{"socket", `{"arg":0,"oneOf":["99"]}`, Dangerous, ""},
		{"socket", `{"arg":1,"oneOf":["SOCK_STREAM"]}`, Special, "any kind"},
		{"socket", `{"arg":0,"mask":"1","oneOf":["0"]}`, Special, ""},
		{"ioctl", `{"arg":1,"oneOf":["TCGETS","FIONBIO"]}`, Normal, ""},
		{"ioctl", `{"arg":1,"oneOf":["TIOCSTI"]}`, Special, "Type into the terminal"},
		{"ioctl", `{"arg":1,"oneOf":["0x1234"]}`, Dangerous, ""},
		{"ioctl", `{"arg":0,"oneOf":["1"]}`, Special, ""},
		{"prctl", ``, Dangerous, ""},
		{"prctl", `{"arg":0,"oneOf":["PR_SET_NAME"]}`, Normal, ""},
		{"prctl", `{"arg":0,"oneOf":["PR_SET_PTRACER"]}`, Dangerous, "take it over"},
		{"clone", ``, Special, "new namespaces"},
		{"clone", `{"arg":0,"mask":"0x7e020000","oneOf":["0"]}`, Normal, ""},
		{"clone", `{"arg":0,"oneOf":["SIGCHLD"]}`, Normal, ""},
		{"clone", `{"arg":0,"mask":"CLONE_NEWUSER","oneOf":["0"]}`, Special, "new namespaces"},
		{"clone", `{"arg":0,"oneOf":["CLONE_NEWUSER|SIGCHLD"]}`, Special, "new namespaces"},
		{"clone3", `{"arg":1,"oneOf":["88"]}`, Special, "new namespaces"},
		{"unshare", `{"arg":0,"oneOf":["CLONE_FILES","CLONE_FS"]}`, Normal, ""},
		{"unshare", `{"arg":0,"oneOf":["CLONE_NEWNS"]}`, Special, ""},
		{"personality", `{"arg":0,"oneOf":["0xffffffff"]}`, Normal, ""},
		{"personality", `{"arg":0,"oneOf":["ADDR_NO_RANDOMIZE"]}`, Dangerous, ""},
		{"memfd_create", ``, Dangerous, "past the list of programs"},
		{"memfd_create", `{"arg":1,"oneOf":["MFD_CLOEXEC"]}`, Dangerous, "past the list of programs"},
		{"memfd_create", `{"arg":1,"oneOf":["MFD_CLOEXEC|MFD_NOEXEC_SEAL"]}`, Normal, ""},
		{"memfd_create", `{"arg":1,"mask":"MFD_NOEXEC_SEAL","oneOf":["MFD_NOEXEC_SEAL"]}`, Normal, ""},
		{"memfd_create", `{"arg":1,"mask":"MFD_NOEXEC_SEAL","oneOf":["0"]}`, Dangerous, ""},
		{"io_uring_setup", ``, Special, "side door"},
		{"ptrace", ``, Special, ""},
	} {
		entry := `{"name":"` + tt.call + `","when":[` + tt.conditions + `]}`
		m := parse(t, strings.Replace(minimal, `"6.18"`, `"6.18","allow":[`+entry+`]`, 1))
		got, meaning := m.Syscalls.Allow[0].level("amd64")
		if got != tt.want || !strings.Contains(meaning, tt.meaning) {
			t.Errorf("%s is %s (%q), want %s (%q)", entry, got, meaning, tt.want, tt.meaning)
		}
	}
}

func TestOtherLevels(t *testing.T) {
	for _, tt := range []struct {
		fields, id string
		want       Level
	}{
		{`"execute":[{"path":"*"}]`, "execute:*", Special},
		{`"execute":[{"path":"/usr/bin/python3.11"}]`, "execute:/usr/bin/python3.11", Dangerous},
		{`"execute":[{"path":"/bin/busybox"}]`, "execute:/bin/busybox", Dangerous},
		{`"execute":[{"path":"/lib64/ld-linux-x86-64.so.2"}]`, "execute:/lib64/ld-linux-x86-64.so.2", Special},
		{`"execute":[{"path":"/usr/sbin/nginx"}]`, "execute:/usr/sbin/nginx", Normal},
		{`"filesystem":{"writable":[{"path":"/etc/app"}]}`, "write:/etc/app", Dangerous},
		{`"filesystem":{"writable":[{"path":"/etcetera"}]}`, "write:/etcetera", Normal},
		{`"mounts":[{"path":"/a","host":"/srv","write":true}]`, "mount:/a", Special},
		{`"mounts":[{"path":"/a","host":"/srv"}]`, "mount:/a", Dangerous},
		{`"mounts":[{"path":"/a","host":"/"}]`, "mount:/a", Special},
		{`"mounts":[{"path":"/a","host":"/var"}]`, "mount:/a", Special},
		{`"mounts":[{"path":"/a","host":"/run/docker.sock"}]`, "mount:/a", Special},
		{`"mounts":[{"path":"/a","volume":"v","write":true}]`, "mount:/a", Normal},
		{`"devices":[{"path":"/dev/nvme0n1"}]`, "device:/dev/nvme0n1", Special},
		{`"devices":[{"path":"/dev/unheard-of"}]`, "device:/dev/unheard-of", Dangerous},
		{`"network":{"mode":"host"}`, "network:host", Special},
		{`"network":{"mode":"private","egress":[{"host":"*.example.com","ports":["1"],"protocol":"tcp"}]}`, "egress:*.example.com:tcp/1", Dangerous},
		{`"network":{"mode":"private","egress":[{"cidr":"0.0.0.0/0","ports":["1"],"protocol":"tcp"}]}`, "egress:0.0.0.0/0:tcp/1", Special},
		{`"network":{"mode":"private","egress":[{"cidr":"169.254.169.254/32","ports":["80"],"protocol":"tcp"}]}`, "egress:169.254.169.254/32:tcp/80", Special},
		{`"network":{"mode":"private","egress":[{"cidr":"192.168.1.0/24","ports":["80"],"protocol":"tcp"}]}`, "egress:192.168.1.0/24:tcp/80", Dangerous},
		{`"network":{"mode":"private","egress":[{"cidr":"192.0.2.0/24","ports":["80"],"protocol":"tcp"}]}`, "egress:192.0.2.0/24:tcp/80", Normal},
		{`"network":{"mode":"private","listen":[{"port":80,"protocol":"tcp"}]}`, "listen:tcp/80", Normal},
		{`"resources":{}`, "resource:memory", Dangerous},
		{`"resources":{"memory":1048576}`, "resource:memory", Normal},
		{`"resources":{}`, "resource:ioWeight", Normal},
		{`"resources":{"ioWeight":10}`, "resource:ioWeight", Normal},
		{`"capabilities":[{"name":"CAP_SYS_NICE"}]`, "capability:CAP_SYS_NICE", Special},
	} {
		found := false
		for _, p := range parse(t, body(tt.fields)).Permissions() {
			if p.ID == tt.id {
				found = true
				if p.Level != tt.want {
					t.Errorf("%s of %s is %s, want %s", p.ID, tt.fields, p.Level, tt.want)
				}
			}
		}
		if !found {
			t.Errorf("%s does not give %s", tt.fields, tt.id)
		}
	}
}

// CAP_SYS_* is special without exception, and so are raw sockets.
func TestCapabilities(t *testing.T) {
	list := Capabilities()
	if len(list) != 41 {
		t.Errorf("Linux has 41 capabilities, not %d", len(list))
	}
	for i, c := range list {
		if c.Number != i || c.Meaning == "" {
			t.Errorf("capability %d is %+v", i, c)
		}
		if must := strings.HasPrefix(c.Name, "CAP_SYS_") || c.Name == "CAP_NET_RAW"; must && c.Level != Special {
			t.Errorf("%s is %s", c.Name, c.Level)
		}
	}
}

func TestLevelText(t *testing.T) {
	for _, l := range []Level{Normal, Dangerous, Special} {
		text, err := l.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Level
		if err := back.UnmarshalText(text); err != nil || back != l || string(text) != l.String() {
			t.Errorf("%s reads back as %s, %v", text, back, err)
		}
	}
	if _, err := Level(3).MarshalText(); err == nil {
		t.Error("level 3 has a text")
	}
	if err := new(Level).UnmarshalText([]byte("Normal")); err == nil {
		t.Error("another spelling is read")
	}
}
