package link

import (
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// newSession has a process start in a session of its own.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// shutdown tells the other end that nothing more is sent.
func shutdown(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = unix.Shutdown(int(fd), unix.SHUT_WR) }); err != nil {
		return err
	}
	return done
}

func (e event) event() (Event, error) {
	told := Event{Kind: e.Kind, Name: e.Name, Count: e.Count, Reason: e.Reason, Grant: e.Grant}
	if e.To != "" {
		to, err := netip.ParseAddrPort(e.To)
		if err != nil {
			return told, err
		}
		told.Flow = &Flow{e.Protocol, to}
	}
	for _, text := range e.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return told, err
		}
		told.Addresses = append(told.Addresses, a)
	}
	return told, nil
}

func fromEvent(e Event) event {
	told := event{Kind: e.Kind, Name: e.Name, Count: e.Count, Reason: e.Reason, Grant: e.Grant}
	if e.Flow != nil {
		told.Protocol, told.To = e.Flow.Protocol, e.Flow.To.String()
	}
	for _, a := range e.Addresses {
		told.Addresses = append(told.Addresses, a.String())
	}
	return told
}
