package workload

import (
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExposedPorts(t *testing.T) {
	for _, test := range []struct {
		name  string
		ports []string
		want  string // nothing for an error
		first int
	}{
		{"none", nil, " ", 0},
		{"sorted by number, not text", []string{"8080/tcp", "443/tcp"}, "443/tcp 8080/tcp ", 443},
		{"no protocol is TCP", []string{"6379"}, "6379/tcp ", 6379},
		{"the first of TCP", []string{"53/udp", "853/tcp"}, "53/udp 853/tcp ", 853},
		{"only UDP", []string{"53/udp"}, "53/udp ", 0},
		{"twice", []string{"80", "80/tcp"}, "80/tcp ", 80},
		{"zero", []string{"0/tcp"}, "", 0},
		{"too large", []string{"65536/tcp"}, "", 0},
		{"a range", []string{"80-90/tcp"}, "", 0},
		{"another protocol", []string{"80/sctp"}, "", 0},
		{"shell text", []string{"80;reboot/tcp"}, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			ports, err := exposed(test.ports)
			got := ""
			for _, p := range ports {
				got += p.String() + " "
			}
			if len(test.ports) == 0 {
				got = " "
			}
			if (err == nil) != (test.want != "") || err == nil && got != test.want {
				t.Errorf("exposed(%q) = %q, %v; want %q", test.ports, got, err, test.want)
			}
			if first := firstTCP(ports); first != test.first {
				t.Errorf("the first TCP port is %d, want %d", first, test.first)
			}
		})
	}
}

func TestEnvironmentOfAnExercise(t *testing.T) {
	got := environment([]port{{53, "udp"}, {6379, "tcp"}, {6380, "tcp"}})
	want := []string{
		"LPM_HOST=127.0.0.1", "LPM_PORT=6379",
		"LPM_PORT_53_UDP=53", "LPM_PORT_6379_TCP=6379", "LPM_PORT_6380_TCP=6380",
		"LPM_PORTS=53/udp 6379/tcp 6380/tcp",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := environment(nil); !slices.Equal(got, []string{"LPM_HOST=127.0.0.1", "LPM_PORTS="}) {
		t.Errorf("without ports: %q", got)
	}
}

func TestStopSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"": unix.SIGTERM, "SIGQUIT": unix.SIGQUIT, "QUIT": unix.SIGQUIT, "sigint": unix.SIGINT,
		"9": unix.SIGKILL, "SIGRTMIN": 34, "SIGRTMIN+3": 37, "RTMAX-1": 63, "SIGWINCH": unix.SIGWINCH,
		"SIGNOTHING": 0, "0": 0, "65": 0, "-1": 0, "SIGRTMIN-1": 0, "SIGRTMAX+1": 0, "RTMINx": 0,
	} {
		got, err := stopSignal(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("stopSignal(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}
