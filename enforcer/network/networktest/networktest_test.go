package networktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func at(address string, port int) string { return net.JoinHostPort(address, fmt.Sprint(port)) }

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServices(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		for _, address := range Addresses() {
			t.Run(address, func(t *testing.T) {
				for _, network := range []string{"tcp", "udp"} {
					c := dial(t, network, at(address, Echo))
					b := make([]byte, 5)
					if _, err := c.Write([]byte("hello")); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
						t.Errorf("%s echo: %q, %v", network, b, err)
					}
				}
				data := bytes.Repeat([]byte("0123456789"), 1<<16)
				c := dial(t, "tcp", at(address, Discard))
				if _, err := c.Write(data); err != nil {
					t.Fatal(err)
				}
				c.(*net.TCPConn).CloseWrite()
				said, err := io.ReadAll(c)
				if want := fmt.Sprintf("%d %x\n", len(data), sha256.Sum256(data)); err != nil || string(said) != want {
					t.Errorf("discard: %q, %v, want %q", said, err, want)
				}
				many := make([]byte, 1<<20)
				if _, err := io.ReadFull(dial(t, "tcp", at(address, Chargen)), many); err != nil {
					t.Errorf("chargen: %v", err)
				}
			})
		}
	})
}

func TestHTTP(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		authority, err := os.ReadFile(w.CA)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
		for _, url := range []string{
			"http://" + WebName + "/x", "https://" + WebName + "/x", "https://" + AliasName + "/x",
			"https://" + Metadata + "/x", "https://[" + Web6 + "]/x", "http://printer/x", "http://web/x",
		} {
			if said := get(t, &client, url); !strings.Contains(said, "GET /x") {
				t.Errorf("%s: %q", url, said)
			}
		}
		w.Handle(http.NotFoundHandler())
		if said := get(t, &client, "http://"+Web4); !strings.Contains(said, "not found") {
			t.Errorf("after the change: %q", said)
		}
		if r, err := http.Get("https://" + WebName); err == nil {
			r.Body.Close()
			t.Error("the authority is trusted unasked")
		}
	})
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestZone(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		w.Zone.SetTurns("turns.example.com", []Record{{"A", Web4, 0}}, []Record{{"A", Loopback4, 0}})
		w.Zone.SetTruncated("long.example.com", Record{"A", Web4, 60})
		w.Zone.Fail("broken.example.com", dnsmessage.RCodeServerFailure)
		w.Zone.Set("circle.example.com", Record{"CNAME", "circle.example.com", 1})
		for _, c := range []struct{ name, want string }{
			{AliasName, Web4}, {"turns.example.com", Web4}, {"turns.example.com", Loopback4}, {"turns.example.com", Loopback4},
			{"long.example.com", Web4}, {"printer", LAN}, {strings.ToUpper(OtherName), Other4},
		} {
			got, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip4", c.name)
			if err != nil || len(got) != 1 || got[0].Unmap().String() != c.want {
				t.Errorf("%s: %v, %v, want %s", c.name, got, err, c.want)
			}
		}
		for _, name := range []string{"nothing.example.com", "broken.example.com", "circle.example.com"} {
			got, err := net.DefaultResolver.LookupHost(context.Background(), name)
			if err == nil {
				t.Errorf("%s: %v", name, got)
			}
		}
		if !slices.Contains(w.Zone.Queries(), Query{"tcp", "long.example.com", "A"}) {
			t.Errorf("what was cut off was not asked for over TCP: %v", w.Zone.Queries())
		}
		w.Zone.SetDead(true)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if got, err := net.DefaultResolver.LookupHost(ctx, WebName); err == nil {
			t.Errorf("dead: %v", got)
		}
	})
}

func TestSent(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		for _, address := range []string{Web4, Web6} {
			dial(t, "tcp", at(address, Echo))
			if _, err := net.Dial("tcp", at(address, 4444)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("nobody listens there: %v", err)
			}
			dial(t, "udp", at(address, 5555)).Write([]byte("x"))
			for _, c := range []struct {
				network string
				port    uint16
				want    bool
			}{
				{"tcp", Echo, true}, {"tcp", 4444, true}, {"udp", 5555, true}, {"", 0, true}, {"tcp", 5555, false},
				{"udp", Echo, false}, {"tcp", HTTP, false},
			} {
				if got, err := w.Sent(c.network, address, c.port); err != nil || got != c.want {
					t.Errorf("%s to %s port %d: %v, %v", c.network, address, c.port, got, err)
				}
			}
		}
		for _, address := range []string{Other4, Other6, LAN, Metadata} {
			if got, err := w.Sent("", address, 0); err != nil || got {
				t.Errorf("to %s: %v, %v", address, got, err)
			}
		}
		ping(t)
		if got, err := w.Sent("icmp", LAN, 0); err != nil || !got {
			t.Errorf("an echo request: %v, %v", got, err)
		}
	})
}

// ping sends an ICMP echo request, as an ordinary user may.
func ping(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	a := &unix.SockaddrInet4{Addr: [4]byte{10, 77, 0, 5}}
	if err := unix.Sendto(fd, []byte{8, 0, 0, 0, 0, 0, 0, 1}, 0, a); err != nil {
		t.Fatal(err)
	}
}

func TestConnections(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		c := dial(t, "tcp", at(Web6, Echo))
		io.WriteString(c, "12345")
		c.(*net.TCPConn).CloseWrite()
		io.ReadAll(c)
		got := w.Connections()
		if len(got) != 1 || got[0].To != addrPort(c.RemoteAddr()) || got[0].From != addrPort(c.LocalAddr()) || got[0].Got != 5 {
			t.Errorf("%v", got)
		}
		if want := at(Host6, int(got[0].From.Port())); c.LocalAddr().String() != want {
			t.Errorf("the machine's address is %v", c.LocalAddr())
		}
	})
}

// TestUser: in a world everybody is who he was, and what he starts has no more
// rights than outside.
func TestUser(t *testing.T) {
	uid := os.Getenv("LPM_TEST_UID")
	if uid == "" {
		t.Setenv("LPM_TEST_UID", fmt.Sprint(os.Geteuid()))
	}
	Run(t, func(t *testing.T, w *World) {
		if fmt.Sprint(os.Geteuid()) != uid {
			t.Errorf("user %d was %s", os.Geteuid(), uid)
		}
		out, err := exec.Command("grep", "-E", "^Cap(Inh|Prm|Eff|Amb)", "/proc/self/status").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			name, set, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			has := strings.Trim(set, "0") != ""
			if root := uid == "0"; has && !root || !has && root && (name == "CapEff" || name == "CapPrm") {
				t.Errorf("uid %s has %s", uid, line)
			}
		}
		if own, err := net.InterfaceAddrs(); err != nil || len(own) != 4 {
			t.Errorf("the machine's addresses are %v, %v", own, err)
		}
	})
}

// TestRange: subordinate ids can be mapped in a world.
func TestRange(t *testing.T) {
	Run(t, func(t *testing.T, w *World) {
		if os.Geteuid() == 0 {
			return // needs nobody's help
		}
		ids, err := subordinate("/etc/subuid")
		if err != nil || ids.size < 65535 {
			unable(t, fmt.Errorf("subordinate ids: %v, %w", ids, err))
		}
		file := t.TempDir() + "/file"
		out, err := exec.Command("unshare", "--user", "--map-root-user", "--map-auto",
			"sh", "-c", `touch "$0" && chown 33:33 "$0" && stat -c %u "$0" && rm "$0"`, file).CombinedOutput()
		if err != nil || string(out) != "33\n" {
			t.Errorf("%q, %v", out, err)
		}
	})
}
