package main

import (
	"slices"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"names": ["read", "write", "stime", "semtimedop_time64"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["read"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
		{"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
		{"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
		{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_CHROOT"]}},
		{"names": ["openat"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
		{"names": ["modify_ldt"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
		{"names": ["clone3"], "action": "SCMP_ACT_ERRNO"},
		{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_LT"}, {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}
	]}`
	got, err := convert([]byte(profile), []string{"CAP_SYS_CHROOT"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"chroot", "clone(0&0x10=0)", "modify_ldt", "ptrace", "read", "socket(0=0,1,2;1=1)", "write"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestConvertRefuses: what cannot be said exactly must not be said at all.
func TestConvertRefuses(t *testing.T) {
	for _, test := range []struct{ name, profile, want string }{
		{"no profile", `[`, "reading the profile"},
		{"a list of what is refused", `{"defaultAction": "SCMP_ACT_ALLOW"}`, "no list of what is allowed"},
		{"another comparison", `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]}`, "cannot be said"},
		{"more values than a manifest can have", `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 4000000000, "op": "SCMP_CMP_LT"}]}]}`, "cannot be said"},
	} {
		if _, err := convert([]byte(test.profile), nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}
