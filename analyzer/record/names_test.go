package record

import (
	"net"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// answerTo makes a message about a name, with an alias and two addresses.
func answerTo(t *testing.T, name string, response bool, code dnsmessage.RCode) []byte {
	t.Helper()
	asked, alias := dnsmessage.MustNewName(name), dnsmessage.MustNewName("host.example.net.")
	header := func(name dnsmessage.Name) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: response, RCode: code},
		Questions: []dnsmessage.Question{{Name: asked, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{Header: header(asked), Body: &dnsmessage.CNAMEResource{CNAME: alias}},
			{Header: header(alias), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
			{Header: header(alias), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}}},
		},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseAnswer(t *testing.T) {
	good := answerTo(t, "API.example.com.", true, dnsmessage.RCodeSuccess)
	for _, test := range []struct {
		name    string
		message []byte
		want    []string
	}{
		{"an answer", good, []string{"192.0.2.1", "2001:db8::1"}},
		{"a question", answerTo(t, "API.example.com.", false, dnsmessage.RCodeSuccess), nil},
		{"no such name", answerTo(t, "API.example.com.", true, dnsmessage.RCodeNameError), nil},
		{"the root's name", answerTo(t, ".", true, dnsmessage.RCodeSuccess), nil},
		{"cut off", good[:len(good)-3], nil},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			name, addresses, _ := parseAnswer(test.message)
			if !slices.Equal(addresses, test.want) || test.want != nil && name != "api.example.com" {
				t.Errorf("%q at %v, want %v", name, addresses, test.want)
			}
		})
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01\x01a\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, addresses, _ := parseAnswer(message); len(addresses) > maxAddresses {
			t.Errorf("%d addresses", len(addresses))
		}
	})
}

// TestNames asks a name server, in a network namespace that has one, and holds
// that its answer is noted and still there to be received.
func TestNames(t *testing.T) {
	if os.Getenv("LPM_TEST_NAMES") == "" {
		inNetwork(t)
		return
	}
	up, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	lo, _ := unix.NewIfreq("lo")
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(up, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
	server, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.Dial("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	file, err := client.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	c := newContainer()
	c.sockets[5] = int(file.Fd())
	r := start(t, options(), c)
	address := c.put([]byte{unix.AF_INET, 0, 0, 53, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	receive := func() { c.make(t, r, "recvfrom", 5) }
	answer := answerTo(t, "API.example.com.", true, dnsmessage.RCodeSuccess)
	if _, err := server.WriteTo(answer, client.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	receive()
	if names := r.Record().Names; names != nil {
		t.Errorf("%v before anything was asked", names)
	}
	c.make(t, r, "connect", 5, address, 16)
	receive()
	receive() // the same again
	names := r.Record().Names
	if len(names) != 1 || names[0].Name != "api.example.com" || names[0].Count != 2 ||
		!reflect.DeepEqual(names[0].Addresses, []string{"192.0.2.1", "2001:db8::1"}) {
		t.Errorf("names %+v", names)
	}
	if err := r.Record().Validate(); err != nil {
		t.Error(err)
	}
	got := make([]byte, maxAnswer)
	if n, err := client.Read(got); err != nil || !slices.Equal(got[:n], answer) {
		t.Errorf("the program received %d bytes, %v", n, err)
	}
}

// TestPendingErrors holds that an error of a socket is still there for the
// program after the recorder has looked for an answer. Nobody listens where it
// asks.
func TestPendingErrors(t *testing.T) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.LocalAddr().(*net.UDPAddr).Port
	taken.Close()
	if err := unix.Connect(socket, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(socket, []byte("question")); err != nil {
		t.Fatal(err)
	}

	c := newContainer()
	c.sockets[5] = socket
	r := start(t, options(), c)
	c.make(t, r, "connect", 5, c.put([]byte{unix.AF_INET, 0, 0, dnsPort, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), 16)
	c.make(t, r, "recvfrom", 5)
	if pending, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || unix.Errno(pending) != unix.ECONNREFUSED {
		t.Errorf("the program finds %v, %v", unix.Errno(pending), err)
	}
}

// TestUnreadAnswers holds that an answer which cannot be looked at is no loss.
func TestUnreadAnswers(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.sockets[5] = socket
	c.make(t, r, "connect", 5, c.put([]byte{unix.AF_INET, 0, 0, dnsPort, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), 16)
	unix.Close(socket)
	c.untaken = unix.EMFILE
	c.make(t, r, "recvfrom", 5)
	if lost := r.Record().Lost; lost != 0 {
		t.Errorf("lost %d", lost)
	}
	c.gone = true
	c.make(t, r, "recvfrom", 5)
	if cancelled := r.Record().Cancelled; cancelled != 1 {
		t.Errorf("cancelled %d", cancelled)
	}
}

// inNetwork runs the same test as root of a network of its own.
func inNetwork(t *testing.T) {
	self := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	self.Env = append(os.Environ(), "LPM_TEST_NAMES=1")
	self.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if out, err := self.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
