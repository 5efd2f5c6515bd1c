package supervise

import (
	"bytes"
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// asking is a thread whose requests about interfaces are answered.
func asking(t *testing.T, o Options, change func(*plan.Supervision)) (*thread, *Enforcer) {
	t.Helper()
	r := rules(manifest.NetworkPrivate, "ioctl")
	r.Handover = true
	if change != nil {
		change(&r)
	}
	th, e := newThread(t, "ioctl"), NewEnforcer(r, runtime.GOARCH, o)
	th.serve(context.Background(), e)
	return th, e
}

func cookie(t *testing.T) uint64 {
	t.Helper()
	own, err := ownCookie()
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// direct makes a request that no filter sees.
func direct(fd int, request uintptr, b []byte) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	return errno
}

// TestInterfaces: by a socket of the container's network it is told what the
// kernel tells.
func TestInterfaces(t *testing.T) {
	th, e := asking(t, Options{Cookie: cookie(t)}, nil)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		fd := stream(t, family)
		for _, request := range plan.InterfaceRequests() {
			for _, name := range []string{"lo", "nothing", "lo:1", strings.Repeat("x", unix.IFNAMSIZ)} {
				if request == unix.SIOCGIFCONF {
					continue
				}
				want := make([]byte, sizeofIfreq+8)
				for i := range want {
					want[i] = byte(i)
				}
				copy(want, name+"\x00")
				if request == unix.SIOCGIFNAME {
					binary.NativeEndian.PutUint32(want[unix.IFNAMSIZ:], 1)
				}
				got := slices.Clone(want)
				wantErrno := direct(fd, uintptr(request), want)
				_, errno := th.call("ioctl", uintptr(fd), 0xabc<<32|uintptr(request), uintptr(unsafe.Pointer(unsafe.SliceData(got))))
				if errno != wantErrno || !bytes.Equal(got, want) {
					t.Errorf("request %#x of %q: %v, %x, want %v, %x", request, name, errno, got, wantErrno, want)
				}
			}
		}
	}
	if list, _ := e.Denials(); len(list) > 0 {
		t.Errorf("denied: %+v", list)
	}
}

// TestInterfaceList: there is as much of the list as there is room for.
func TestInterfaceList(t *testing.T) {
	th, _ := asking(t, Options{Cookie: cookie(t)}, nil)
	fd := stream(t, unix.AF_INET)
	for _, room := range []int32{0, 1, sizeofIfreq - 1, sizeofIfreq, sizeofIfreq + 1, 100 * sizeofIfreq, -1, 1<<31 - 1} {
		list := func(do func(c *ifconf) unix.Errno) (int32, []byte, unix.Errno) {
			buffer := bytes.Repeat([]byte{0xee}, 200*sizeofIfreq)
			c := &ifconf{length: room, buffer: unsafe.Pointer(unsafe.SliceData(buffer))}
			errno := do(c)
			return c.length, buffer, errno
		}
		wantLength, want, wantErrno := list(func(c *ifconf) unix.Errno {
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(c)))
			return errno
		})
		length, got, errno := list(func(c *ifconf) unix.Errno {
			_, errno := th.call("ioctl", uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(c)))
			return errno
		})
		if length != wantLength || errno != wantErrno || !bytes.Equal(got, want) {
			t.Errorf("with room for %d bytes: %d bytes, %v, want %d, %v", room, length, errno, wantLength, wantErrno)
		}
		if room == 100*sizeofIfreq && !bytes.HasPrefix(got, []byte("lo\x00")) {
			t.Errorf("the list begins with %q", got[:sizeofIfreq])
		}
	}
	all := ifconf{length: 7}
	if _, errno := th.call("ioctl", uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&all))); errno != 0 || all.length < sizeofIfreq || all.length%sizeofIfreq != 0 {
		t.Errorf("the list is %d bytes long, %v", all.length, errno)
	}
}

// TestOtherInterfaces: a socket of another network tells nothing, and what is no
// socket is none.
func TestOtherInterfaces(t *testing.T) {
	th, e := asking(t, Options{Cookie: cookie(t) + 1}, nil)
	fd := stream(t, unix.AF_INET)
	for _, request := range plan.InterfaceRequests() {
		request2 := bytes.Repeat([]byte{0}, 64)
		copy(request2, "lo")
		before := slices.Clone(request2)
		_, errno := th.call("ioctl", uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(unsafe.SliceData(request2))))
		if errno != unix.EPERM || !bytes.Equal(request2, before) {
			t.Errorf("request %#x: %v, %x", request, errno, request2)
		}
	}
	list, _ := e.Denials()
	conf := slices.IndexFunc(list, func(d Denial) bool { return d.What == "ioctl(SIOCGIFCONF)" })
	if len(list) != len(plan.InterfaceRequests()) || conf < 0 || list[conf].Reason != otherNetwork || !list[conf].Grant.IsZero() {
		t.Errorf("denied: %+v", list)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	for fd, want := range map[int]unix.Errno{pipe[0]: unix.ENOTTY, 1 << 20: unix.EBADF} {
		var request [64]byte
		if _, errno := th.call("ioctl", uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&request))); errno != want {
			t.Errorf("descriptor %d: %v, want %v", fd, errno, want)
		}
	}
}

// TestInterfacesNotGranted: the manifest has to grant a request, too.
func TestInterfacesNotGranted(t *testing.T) {
	th, e := asking(t, Options{Cookie: cookie(t)}, func(s *plan.Supervision) {
		s.When = map[string][][]plan.Compare{"ioctl": {{{Arg: 1, Mask: 0xffff_ffff, Value: unix.SIOCGIFINDEX}}}}
	})
	fd := stream(t, unix.AF_INET)
	for request, want := range map[uintptr]unix.Errno{unix.SIOCGIFINDEX: 0, unix.SIOCGIFFLAGS: unix.EPERM} {
		b := make([]byte, sizeofIfreq)
		copy(b, "lo")
		if _, errno := th.call("ioctl", uintptr(fd), request, uintptr(unsafe.Pointer(unsafe.SliceData(b)))); errno != want {
			t.Errorf("request %#x: %v, want %v", request, errno, want)
		}
	}
	list, _ := e.Denials()
	if len(list) != 1 || list[0].Grant.String() != `syscalls: allow: [{name: "ioctl", when: [{arg: 1, oneOf: ["SIOCGIFFLAGS"]}]}]` {
		t.Errorf("denied: %+v", list)
	}
}

// TestInterfacesFault: what the program could not write, nobody writes for it.
func TestInterfacesFault(t *testing.T) {
	th, _ := asking(t, Options{Cookie: cookie(t)}, nil)
	fd := stream(t, unix.AF_INET)
	size := unix.Getpagesize()
	pages, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(pages) }()
	// The second can only be read, and the third not even that.
	fill := func(page []byte) { copy(page, bytes.Repeat([]byte("lo\x00\x00"), size/4)) }
	fill(pages[size:])
	for i, protection := range []int{unix.PROT_READ, unix.PROT_NONE} {
		if err := unix.Mprotect(pages[(i+1)*size:(i+2)*size], protection); err != nil {
			t.Fatal(err)
		}
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(pages)))
	one, two := uintptr(size), uintptr(2*size)
	for _, test := range []struct {
		name string
		at   uintptr
		want unix.Errno
	}{
		{"writable", start, 0},
		{"the last that is writable", start + one - sizeofIfreq, 0},
		{"half of it writable", start + one - sizeofIfreq/2, unix.EFAULT},
		{"readable", start + one, unix.EFAULT},
		{"half of it readable", start + two - sizeofIfreq/2, unix.EFAULT},
		{"neither", start + two, unix.EFAULT},
		{"nothing", 0, unix.EFAULT},
		{"the kernel's", ^uintptr(0) - 100, unix.EFAULT},
	} {
		fill(pages[:size])
		before := bytes.Clone(pages[:two])
		if _, errno := th.call("ioctl", uintptr(fd), unix.SIOCGIFFLAGS, test.at); errno != test.want {
			t.Errorf("%s: %v, want %v", test.name, errno, test.want)
		}
		if test.want != 0 && !bytes.Equal(before, pages[:two]) {
			t.Errorf("%s: the memory is another", test.name)
		}
		request := ifconf{length: sizeofIfreq}
		*(*uintptr)(unsafe.Pointer(&request.buffer)) = test.at
		want := test.want
		if test.at == 0 {
			want = 0 // that asks for the length
		}
		if _, errno := th.call("ioctl", uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&request))); errno != want {
			t.Errorf("%s: the list: %v, want %v", test.name, errno, want)
		}
	}
}

// TestWritable reads maps as proc_pid_maps(5) has them.
func TestWritable(t *testing.T) {
	const maps = `1000-2000 r-xp 00000000 00:00 0 /bin/a
2000-3000 rw-p 00000000 00:00 0 /bin/a w
3000-5000 rw-s 00000000 00:00 0
6000-7000 -w-p 00000000 00:00 0
7fff0000-7fff1000 r--p 00000000 00:00 0 [vvar]
`
	for _, test := range []struct {
		at, n uint64
		want  bool
	}{
		{0x2000, 0x1000, true}, {0x2fff, 2, true}, {0x2000, 0x3000, true}, {0x4fff, 1, true}, {0x6000, 1, true},
		{0x1fff, 1, false}, {0x1fff, 2, false}, {0x2000, 0x3001, false}, {0x4fff, 2, false}, {0x5000, 1, false},
		{0, 1, false}, {0x7fff0000, 1, false}, {0x8000_0000, 1, false}, {^uint64(0), 2, false},
	} {
		pieces := []piece{{0x2000, []byte{0}}, {test.at, make([]byte, test.n)}}
		if err := writable(strings.NewReader(maps), pieces); (err == nil) != test.want {
			t.Errorf("%d bytes at %#x: %v", test.n, test.at, err)
		}
	}
	if writable(strings.NewReader("no map\n"), []piece{{1, []byte{0}}}) == nil {
		t.Error("what are no maps say that it is writable")
	}
}
