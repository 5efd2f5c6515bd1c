package vulnerabilities

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// least is how many entries there must be.
const least = 120

func TestKnown(t *testing.T) {
	known := Known()
	if len(known) < least {
		t.Errorf("%d entries, want %d at least", len(known), least)
	}
	var (
		id     = regexp.MustCompile(`^CVE-(2[0-9]{3})-[0-9]{4,}$`)
		fixed  = regexp.MustCompile(`^[2-9]\.[0-9]{1,2}(\.[0-9]{1,2})?$`)
		source = regexp.MustCompile(`^https://(git\.kernel\.org/(linus|stable/c)/[0-9a-f]{12}|nvd\.nist\.gov/vuln/detail/CVE-[0-9-]+)$`)
		gains  = regexp.MustCompile(`^[A-Z][ -~]{20,160}\.$`)
	)
	for i, v := range known {
		if i > 0 && byID(known[i-1], v) >= 0 {
			t.Errorf("%s does not come after %s", v.ID, known[i-1].ID)
		}
		if !id.MatchString(v.ID) {
			t.Errorf("%q is no ID", v.ID)
		}
		if v.Fixed != "" && !fixed.MatchString(v.Fixed) {
			t.Errorf("%s: %q is no release", v.ID, v.Fixed)
		}
		if !source.MatchString(v.Source) {
			t.Errorf("%s: %q is no address of a commit or an advisory", v.ID, v.Source)
		}
		if strings.Contains(v.Source, "nvd.nist.gov") && !strings.HasSuffix(v.Source, "/"+v.ID) {
			t.Errorf("%s has the source of another: %s", v.ID, v.Source)
		}
		if !gains.MatchString(v.Gains) || strings.Contains(v.Gains, "  ") {
			t.Errorf("%s: %q is not a plain sentence", v.ID, v.Gains)
		}
		if len(v.Needs) == 0 {
			t.Errorf("%s takes nothing", v.ID)
		}
		if _, err := v.Effect.MarshalText(); err != nil {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

// TestTablesAreSorted keeps the files in the order in which a person looks.
func TestTablesAreSorted(t *testing.T) {
	for name, table := range map[string][]Vulnerability{
		"io_uring": requests[:], "netfilter": netfilter[:], "sched": traffic[:], "packet": packet[:],
		"families": families[:], "crypto": crypto[:], "internet": internet[:], "bpf": programs[:],
		"trace": watching[:], "memory": memory[:], "process": process[:], "mounts": mounts[:], "devices": devices[:],
	} {
		if !slices.IsSortedFunc(table, byID) {
			t.Errorf("the table of %s is not sorted", name)
		}
	}
}

// TestNeedsAreKnown holds every need to the tables of package manifest: a
// misspelled name would close what is open.
func TestNeedsAreKnown(t *testing.T) {
	words := []string{"amd64", "foreign", "host-network", "device", "user-namespace", "net-admin", "net-raw", "sys-admin"}
	for _, v := range Known() {
		for _, need := range v.Needs {
			for _, text := range alternatives(need) {
				a, err := parse(text)
				if err != nil {
					t.Errorf("%s: %v", v.ID, err)
					continue
				}
				_, capable := manifest.LookupCapability(a.name)
				switch {
				case a.name == "device":
					if !strings.HasPrefix(a.path, "/dev/") {
						t.Errorf("%s: %q is no device", v.ID, text)
					}
				case slices.Contains(words, a.name), capable:
				default:
					checkCall(t, v.ID, text, a)
				}
			}
		}
	}
}

// checkCall wants a call and conditions that at least one architecture knows.
func checkCall(t *testing.T, id, text string, a alternative) {
	t.Helper()
	known := false
	for _, arch := range manifest.Architectures() {
		if _, ok := manifest.LookupSyscall(arch, a.name); !ok {
			continue
		}
		known = true
		for _, c := range a.when {
			if _, _, err := c.Resolve(arch, a.name); err != nil {
				t.Errorf("%s: %q on %s: %v", id, text, arch, err)
			}
		}
	}
	if !known {
		t.Errorf("%s: %q is no call, capability or word", id, text)
	}
}

// TestWhatMustBeInTheTable: the parts of the kernel that a reviewer will look
// for.
func TestWhatMustBeInTheTable(t *testing.T) {
	known := Known()
	for _, word := range []string{
		"io_uring_setup", "AF_NETLINK;2=12", "fsopen", "userfaultfd", "mount", "keyctl", "add_key", "AF_PACKET", "AF_VSOCK", "AF_TIPC",
		"AF_CAN", "AF_ALG", "AF_RDS", "2=132", "AF_UNIX", "bpf", "perf_event_open", "ptrace", "futex", "splice", "vmsplice", "madvise",
		"mremap", "SOL_IP", "AF_NETLINK;2=0", "timer_create", "msgget", "mq_notify", "waitid", "adjtimex", "user-namespace", "sendto",
	} {
		if !slices.ContainsFunc(known, func(v Vulnerability) bool { return strings.Contains(strings.Join(v.Needs, " "), word) }) {
			t.Errorf("nothing takes %s", word)
		}
	}
	year := func(v Vulnerability) int { y, _ := v.order(); return y }
	if newest := year(known[len(known)-1]); newest < 2026 {
		t.Errorf("the newest entry is of %d", newest)
	}
}

func TestWorst(t *testing.T) {
	got := Worst([]Vulnerability{{ID: "CVE-2020-1000", Effect: Crash}, {ID: "CVE-2019-9999", Effect: Takeover}, {ID: "CVE-2019-10000", Effect: Takeover}})
	var ids []string
	for _, v := range got {
		ids = append(ids, v.ID)
	}
	if want := []string{"CVE-2019-10000", "CVE-2019-9999", "CVE-2020-1000"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"socket(0=AF_UNIX", "socket(AF_UNIX)", "socket(x=1)", "socket()"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
