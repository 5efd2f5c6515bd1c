package manifest

import "testing"

func TestAllows(t *testing.T) {
	s := Syscalls{Architecture: "amd64", Kernel: "6.18", Allow: []Syscall{
		{Name: "read"},
		{Name: "socket", When: []Condition{{Arg: 0, OneOf: []string{"AF_UNIX", "AF_INET"}}, {Arg: 1, Mask: "0xf", OneOf: []string{"SOCK_STREAM"}}}},
		{Name: "socket", When: []Condition{{Arg: 0, OneOf: []string{"AF_NETLINK"}}, {Arg: 2, OneOf: []string{"0"}}}},
		{Name: "clone", When: []Condition{{Arg: 0, Mask: "CLONE_NEWUSER", OneOf: []string{"0"}}}},
		{Name: "unshare", When: []Condition{{Arg: 0, OneOf: []string{"wrong"}}}},
	}}
	only := func(arg int, mask string, oneOf ...string) Condition {
		return Condition{Arg: arg, Mask: mask, OneOf: oneOf}
	}
	for _, test := range []struct {
		name string
		call string
		when []Condition
		want bool
	}{
		{"without conditions", "read", nil, true},
		{"conditions on what is allowed with any arguments", "read", []Condition{only(0, "", "7")}, true},
		{"not allowed", "write", nil, false},
		{"no such call", "frobnicate", []Condition{only(0, "", "7")}, false},
		{"with some arguments", "socket", nil, true},
		{"one of several values", "socket", []Condition{only(0, "", "AF_PACKET", "AF_INET")}, true},
		{"none of the values", "socket", []Condition{only(0, "", "AF_PACKET")}, false},
		{"two arguments that one entry allows", "socket", []Condition{only(0, "", "AF_INET"), only(1, "0xf", "SOCK_STREAM")}, true},
		{"two arguments, of which one is refused", "socket", []Condition{only(0, "", "AF_INET"), only(1, "0xf", "SOCK_DCCP")}, false},
		{"an argument that no entry looks at", "socket", []Condition{only(0, "", "AF_INET"), only(2, "", "132")}, true},
		{"two arguments that only two entries together allow", "socket", []Condition{only(0, "", "AF_UNIX"), only(1, "0xf", "SOCK_RAW")}, false},
		{"another protocol", "socket", []Condition{only(0, "", "AF_NETLINK"), only(2, "", "12")}, false},
		{"a bit that must not be set", "clone", []Condition{only(0, "CLONE_NEWUSER", "CLONE_NEWUSER")}, false},
		{"bits left open", "clone", []Condition{only(0, "CLONE_VM", "CLONE_VM")}, true},
		{"an entry that means nothing", "unshare", nil, false},
		{"a condition that means nothing", "read", []Condition{only(0, "", "wrong")}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := s.Allows(test.call, test.when...); got != test.want {
				t.Errorf("%s %v: %t, want %t", test.call, test.when, got, test.want)
			}
		})
	}
}
