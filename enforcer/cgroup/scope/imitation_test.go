package scope

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// imitation is a systemd, or a message bus with one, that answers one caller
// on a socket. It keeps what it is asked and makes nothing: its "cgroup" is a
// plain folder that the test fills.
type imitation struct {
	t      *testing.T
	socket string
	// answer is called for each method call, and sends what it likes.
	answer func(i *imitation, call *dbus.Message)

	mu     sync.Mutex
	stream net.Conn
	calls  []*dbus.Message
}

// imitate starts to answer at a socket with the name.
func imitate(t *testing.T, name string, answer func(i *imitation, call *dbus.Message)) *imitation {
	t.Helper()
	// The path of a socket is short (unix(7)), and the test's own folder has the
	// test's name in it.
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	i := &imitation{t: t, socket: filepath.Join(dir, name), answer: answer}
	if err := os.MkdirAll(filepath.Dir(i.socket), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", i.socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		stream, err := listener.Accept()
		if err != nil {
			return
		}
		defer stream.Close()
		i.mu.Lock()
		i.stream = stream
		i.mu.Unlock()
		in := bufio.NewReader(stream)
		if authenticate(in, stream) != nil {
			return
		}
		for {
			message, err := dbus.DecodeMessage(in)
			if err != nil {
				return
			}
			i.mu.Lock()
			i.calls = append(i.calls, message)
			i.mu.Unlock()
			i.answer(i, message)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		i.hangUp()
		serving.Wait()
	})
	return i
}

// authenticate plays the server's part of the D-Bus Specification,
// Authentication Protocol.
func authenticate(in *bufio.Reader, out io.Writer) error {
	if _, err := in.ReadByte(); err != nil { // NUL
		return err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		reply := ""
		switch {
		case line == "AUTH\r\n":
			reply = "REJECTED EXTERNAL\r\n"
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			reply = "DATA\r\n"
		case strings.HasPrefix(line, "DATA"):
			reply = "OK 0123456789abcdef0123456789abcdef\r\n"
		case line == "BEGIN\r\n":
			return nil
		}
		if _, err := io.WriteString(out, reply); err != nil {
			return err
		}
	}
}

func (i *imitation) address() string { return "unix:path=" + i.socket }

func (i *imitation) hangUp() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stream != nil {
		i.stream.Close()
	}
}

// members lists what was called.
func (i *imitation) members() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var names []string
	for _, c := range i.calls {
		names = append(names, c.Headers[dbus.FieldMember].Value().(string))
	}
	return strings.Join(names, " ")
}

// send writes a message. Who has gone away does not read it.
func (i *imitation) send(m *dbus.Message) {
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		i.t.Error(err)
	}
	i.stream.Write(b.Bytes())
}

func signature(body []any) dbus.Variant { return dbus.MakeVariant(dbus.SignatureOf(body...)) }

func (i *imitation) reply(call *dbus.Message, body ...any) {
	i.send(&dbus.Message{Type: dbus.TypeMethodReply, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldSignature: signature(body),
	}})
}

func (i *imitation) refuse(call *dbus.Message, name, text string) {
	i.send(&dbus.Message{Type: dbus.TypeError, Body: []any{text}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldErrorName: dbus.MakeVariant(name),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf("")),
	}})
}

// removed tells of the end of a job.
func (i *imitation) removed(job dbus.ObjectPath, unit, result string) {
	body := []any{uint32(7), job, unit, result}
	i.send(&dbus.Message{Type: dbus.TypeSignal, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(object)), dbus.FieldInterface: dbus.MakeVariant("org.freedesktop.systemd1.Manager"),
		dbus.FieldMember: dbus.MakeVariant("JobRemoved"), dbus.FieldSignature: signature(body),
	}})
}
