package enforcer_test

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// streamAttacks try to get more out of the standard streams than is in them.
func streamAttacks() []attack {
	return []attack{
		{
			name: "stream_reopened", source: "proc_pid_fd(5), pipe(7)", tries: "opens its streams anew, for more than they are for",
			setup: sharedPipes,
		},
		{
			name: "stream_socket", source: "connect(2), AF_UNSPEC; network_namespaces(7)", tries: "connects anew by a socket of the host's network that it was given",
			setup: hostSocket,
		},
	}
}

// sharedPipes gives the container streams that others have too: an input that
// a program after it will read on, and an error output that has the words of
// a program before it.
func sharedPipes(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	in, inEnd := pipe(t)
	errs, errsEnd := pipe(t)
	if _, err := errsEnd.WriteString("of another program\n"); err != nil {
		t.Fatal(err)
	}
	l.in, l.errs = in, errsEnd
	return nil, func(o outcome) bool {
		inEnd.Close()
		_ = in.SetReadDeadline(time.Now().Add(time.Second))
		b := make([]byte, 64)
		n, _ := in.Read(b)
		_ = errs.SetReadDeadline(time.Now().Add(time.Second))
		m, _ := errs.Read(make([]byte, 64))
		return n > 0 || m == 0
	}
}

func pipe(t *testing.T) (from, to *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close(); to.Close() })
	return from, to
}

// hostSocket gives the container a connection for its input, and names the
// port of another service of the host.
func hostSocket(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	first, other := listener(t), listener(t)
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(first))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if l.in, err = conn.(*net.TCPConn).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.in.Close() })
	return []string{strconv.Itoa(int(other))}, nil
}
